"""Reads the plans from one TOML file, and checks them."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from common import errors
from loupe.billing.v1 import billing_pb2 as pb


class Plan(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int
    slug: str = Field(pattern=r"^[a-z0-9-]+$")
    name: str
    price: int | None = Field(default=None, ge=0)
    features: tuple[str, ...]
    requests_per_hour: int = Field(ge=1)
    images_per_month: int | None = Field(default=None, ge=0)
    max_scale: int = Field(ge=2, le=4)
    retention_days: int | None = Field(default=None, ge=1, le=3650)
    """Days from the end of a new image until it is deleted. None keeps images."""

    def to_proto(self) -> pb.Plan:
        return pb.Plan(
            id=self.id,
            name=self.name,
            slug=self.slug,
            price=self.price,
            features=self.features,
            requests_per_hour=self.requests_per_hour,
            images_per_month=self.images_per_month,
            max_scale=self.max_scale,
            retention_days=self.retention_days,
            limits=[
                pb.Limit(key="images_per_month", value=self.images_per_month, unit="images"),
                pb.Limit(key="requests_per_hour", value=self.requests_per_hour, unit="requests"),
                pb.Limit(key="max_scale", value=self.max_scale, unit="factor"),
            ],
        )


class Plans(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: tuple[Plan, ...] = Field(min_length=1)
    """All plans. Named after the key `[[plan]]` of the file."""

    @model_validator(mode="after")
    def _are_distinct(self) -> Self:
        for name in ("id", "slug"):
            if len({getattr(plan, name) for plan in self.plan}) < len(self.plan):
                raise ValueError(f"two plans have the same {name}")
        return self

    @property
    def free(self) -> Plan:
        """The plan of users without a subscription, which is the first in the file."""
        return self.plan[0]

    def by_slug(self, slug: str) -> Plan:
        for plan in self.plan:
            if plan.slug == slug:
                return plan
        known = ", ".join(plan.slug for plan in self.plan)
        raise errors.NotFound(f"no plan {slug!r}; the plans are {known}", reason="plan_not_found")


def load(path: str) -> Plans:
    """Read the file at `path`, or the plans that come with Loupe if `path` is empty."""
    shipped = resources.files("billing") / "plans.toml"
    text = Path(path).read_text() if path else shipped.read_text()
    return Plans.model_validate(tomllib.loads(text))
