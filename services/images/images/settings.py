"""The settings that images reads from its environment."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from common.blobs import Store
from common.settings import ServiceSettings
from imagefile.formats import READABLE, Format
from loupe import contract

LARGEST_POSSIBLE_PIXELS = contract.LONGEST_OUTPUT_SIDE**2
"""No result has more pixels, because its sides are limited, and no original is larger than its result."""

UPLOAD_MEMORY_BYTES = 192 << 20


MOST_PARSERS = 64
MOST_DIRECT_UPLOAD_BYTES = 64 << 20
"""A child that reads a file has 192 MiB, and the memory for uploads holds two of them of one user."""


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="IMAGES_")

    database_url: str
    nats_url: str
    listen: str = "0.0.0.0:9000"
    auth_target: str
    billing_target: str
    outbound_target: str
    """Outbound fetches the links of manifests."""
    client_secret: SecretStr
    """The secret that proves to auth that a call comes from this service."""
    s3_endpoint: str
    s3_public_endpoint: str
    """The object store's address as clients reach it: download links are signed for this host."""
    s3_region: str = "us-east-1"
    s3_bucket: str = "loupe"
    s3_access_key: str = ""
    """Empty, as the secret key: the platform gives the pod credentials (IRSA, EKS Pod Identity)."""
    s3_secret_key: SecretStr = SecretStr("")
    largest_upload_bytes: int = contract.LARGEST_UPLOAD_BYTES
    """Limit for one uploaded file. It can only be lowered, because the gateway forwards no larger file."""
    largest_direct_upload_bytes: int = contract.LARGEST_UPLOAD_BYTES
    """Limit for a file that a client puts into the object store itself, at most 64 MiB. The files of a user
    take at most half of `upload_memory_bytes` at a time, so raise that too.
    """
    formats: Annotated[tuple[Format, ...], NoDecode] = ()
    """The formats of files that this installation takes, as `jpeg,png,webp`; empty: all that it can read."""
    parallel_fetches: int = Field(default=8, ge=1, le=64)
    """How many files of manifests this process fetches at a time, of which one user may have half."""
    parsers: int = 2
    """How many uploaded files are read at a time, each in a process of its own with up to 192 MiB. For a
    WebP it may reserve 8 bytes more for each pixel of `largest_input_pixels`.
    """
    largest_input_pixels: int = 50_000_000
    """Limit for an original, all frames of an animation together. Each work order carries it. A decoder may
    use 1.5 GiB for each 50 million pixels, so if you raise it, raise the workers' memory and set
    INFERENCE_PARALLEL.
    """
    largest_output_pixels: int = LARGEST_POSSIBLE_PIXELS
    """Limit for a still result. Each work order carries it."""
    largest_animation_pixels: int = 100_000_000
    """Limit for an animated result, all its frames together."""
    download_seconds: float = 3600.0
    """How long a download link stays valid."""
    unfinished_per_user: int = Field(default=0, ge=0)
    """How many jobs of one user may be in the stream at a time; 0: as many as there are turns for. Users take
    turns in any case. A limit keeps workers free for other users.
    """
    attempts: int = 3
    """How often work on an image starts before the image fails for good."""
    undecodable_per_hour: int = Field(default=30, ge=1)
    """How many images of a user may be undecodable, or cancelled while they are worked on, in a clock hour.
    Then uploads of this user are refused until the next hour.
    """
    refused_items_per_hour: int = Field(default=1000, ge=1)
    """How many items of a user's manifests may be refused, and skipped, in a clock hour. Then a manifest with
    such an item is refused until the next hour.
    """
    upload_memory_bytes: int = Field(default=UPLOAD_MEMORY_BYTES, ge=4 * contract.LARGEST_UPLOAD_BYTES)
    """Limit for the bytes of uploads that this process has in memory. A user may have as many of them as stay
    free beside. An upload beyond that is refused. While a file is checked, it takes up to twice its size.
    """
    worker_silent_seconds: float = 20.0
    """A worker without a heartbeat for this long no longer owns its image. Set less than the ack wait."""
    model_gone_seconds: float = 60.0
    """A model is no longer served if workers announced themselves for this long, but none announced it."""
    cold_start_seconds: float = 60.0
    """How long a worker takes to start. It is added to the estimates for clients while no worker runs."""
    sweep_seconds: float = 10.0
    """Time between two searches for jobs that were lost or whose worker died."""
    lost_after_seconds: float = 30.0
    """A job dispatched this long ago, while the stream is empty, was lost and is dispatched again."""
    orphans_seconds: float = 86_400.0
    """Time between two sweeps of the object store for objects that belong to no image."""
    orphan_age_seconds: float = 86_400.0
    """The sweep spares younger objects: they may belong to an upload under way."""

    @field_validator("formats", mode="before")
    @classmethod
    def _are_readable(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = tuple(part.strip().upper() for part in value.split(",") if part.strip())
        if unknown := [name for name in names if name not in READABLE]:
            choices = ", ".join(name.lower() for name in READABLE)
            raise ValueError(f"there is no format {unknown[0].lower()}, only {choices}")
        return names

    @model_validator(mode="after")
    def _limits_are_possible(self) -> Self:
        self._require_at_most("largest_upload_bytes", contract.LARGEST_UPLOAD_BYTES)
        self._require_at_most("largest_direct_upload_bytes", MOST_DIRECT_UPLOAD_BYTES)
        self._require_at_most("parsers", MOST_PARSERS)
        for name in ("largest_input_pixels", "largest_output_pixels", "largest_animation_pixels"):
            self._require_at_most(name, LARGEST_POSSIBLE_PIXELS)
        return self

    def _require_at_most(self, name: str, most: int) -> None:
        if not 0 < getattr(self, name) <= most:
            raise ValueError(f"IMAGES_{name.upper()} must be between 1 and {most}")

    @property
    def fairness_secret(self) -> bytes:
        """The secret of `fairness.key_of`, which all replicas share."""
        return self.client_secret.get_secret_value().encode()

    def store(self) -> Store:
        return Store(
            endpoint=self.s3_endpoint,
            public_endpoint=self.s3_public_endpoint,
            region=self.s3_region,
            bucket=self.s3_bucket,
            access_key=self.s3_access_key,
            secret_key=self.s3_secret_key,
        )
