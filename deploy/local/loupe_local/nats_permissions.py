"""The rights of each service at the broker. Everything else is refused.

This table is the source. `python -m loupe_local.nats_permissions` writes it to the configuration of Compose
and to the chart. Tests compare them, and compare the table with the services' code.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loupe_local.state import REPOSITORY

CHART = REPOSITORY / "deploy" / "helm" / "loupe" / "files" / "nats-permissions.json"
COMPOSE = REPOSITORY / "deploy" / "compose" / "nats.conf"
DEAD = "DEAD"


@dataclass(frozen=True, kw_only=True)
class Rights:
    """The rights of one service. Consumers are pairs of a stream and a durable."""

    publishes: tuple[str, ...] = ()
    listens: tuple[str, ...] = ()
    """Subjects that it receives without a stream."""
    declares: tuple[str, ...] = ()
    """Streams that it creates and updates. Nobody may purge or delete a stream."""
    creates: tuple[str, ...] = (DEAD,)
    """Streams that it creates if they are missing, and may not change."""
    looks_at: tuple[str, ...] = ()
    """Other streams of which it reads the state."""
    consumes: tuple[tuple[str, str], ...] = ()
    follows: tuple[str, ...] = ()
    """Streams that it reads without a durable consumer."""
    redrives_own_letters: bool = False
    manages_letters: bool = False
    """Whether it reads and deletes all dead letters, and asks other services to handle theirs again."""


TABLE: Mapping[str, Rights] = {
    "auth": Rights(
        publishes=("auth.>",),
        declares=("AUTH",),
        consumes=(("AUTH", "auth-mail"), ("AUTH", "auth-notice")),
        redrives_own_letters=True,
    ),
    "billing": Rights(
        publishes=("billing.>",),
        declares=("BILLING",),
        consumes=(("IMAGES", "billing-capture"), ("IMAGES", "billing-release"), ("AUTH", "billing-users")),
        redrives_own_letters=True,
    ),
    "images": Rights(
        publishes=(
            "images.queued.standard",
            "images.queued.priority",
            "images.completed",
            "images.failed",
            "images.cancelled",
            "images.objects_dropped",
            "events.>",
            "dead.QUEUE.inference-standard",
            "dead.QUEUE.inference-priority",
        ),
        declares=("QUEUE", "IMAGES", "RESULTS", "CLIENT_EVENTS", DEAD),
        creates=(),
        looks_at=("JOBS",),
        consumes=(("RESULTS", "images"), ("IMAGES", "images-objects"), ("AUTH", "images-users")),
        redrives_own_letters=True,
        manages_letters=True,
    ),
    "inference": Rights(
        publishes=("inference.finished",),
        listens=("images.cancelled",),
        creates=("RESULTS", DEAD),
        consumes=(
            ("QUEUE", "inference-priority"),
            ("QUEUE", "inference-standard"),
            ("JOBS", "inference"),
        ),
    ),
    "gateway": Rights(
        publishes=("limits.>",),
        listens=(
            "auth.tokens_revoked",
            "auth.user_changed",
            "billing.plan_changed",
            "billing.usage_changed",
            "events.*.image.progress",
            "events.*.batch.progress",
        ),
        declares=("LIMITS",),
        creates=(),
        looks_at=("CLIENT_EVENTS",),
        follows=("CLIENT_EVENTS",),
    ),
}


def permissions(service: str, user: str = "") -> dict[str, Any]:
    """Return the permissions of the service's user, in the format of NATS."""
    rights = TABLE[service]
    publish = [*rights.publishes]
    publish += [f"$JS.API.STREAM.CREATE.{each}" for each in (*rights.declares, *rights.creates)]
    publish += [f"$JS.API.STREAM.UPDATE.{each}" for each in rights.declares]
    seen = dict.fromkeys((*rights.declares, *rights.creates, *rights.looks_at))
    publish += [f"$JS.API.STREAM.INFO.{each}" for each in seen]
    for stream, durable in rights.consumes:
        publish += [
            f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{durable}",
            f"$JS.API.CONSUMER.INFO.{stream}.{durable}",
            f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}",
            f"$JS.ACK.{stream}.{durable}.>",
            f"dead.{stream}.{durable}",
        ]
    for stream in rights.follows:
        publish += [f"$JS.API.CONSUMER.CREATE.{stream}", f"$JS.API.STREAM.MSG.GET.{stream}"]
        publish += [f"$JS.API.CONSUMER.DELETE.{stream}.*", f"$JS.FC.{stream}.>"]
    subscribe = [f"_INBOX.service.{user or service}.>", *rights.listens]
    if rights.redrives_own_letters:
        subscribe += [f"redrive.{stream}.{durable}" for stream, durable in rights.consumes]
        publish += [f"$JS.API.STREAM.MSG.GET.{DEAD}"]
    if rights.manages_letters:
        publish += [f"$JS.API.STREAM.MSG.DELETE.{DEAD}", "redrive.>"]
    answers = {"allow_responses": {"max": 1, "expires": "1m"}} if rights.redrives_own_letters else {}
    return {"publish": {"allow": publish}, "subscribe": {"allow": subscribe}, **answers}


def for_compose(configuration: str) -> str:
    """Return the configuration of Compose with the permissions of this table."""

    def line(found: re.Match[str]) -> str:
        return f"{found[1]}, permissions: {json.dumps(permissions(found[2]))} }}"

    user = r"^( *\{ user: (\w+), password: \$NATS_PASSWORD_\w+)(?:, permissions: .*)? \}$"
    return re.sub(user, line, configuration, flags=re.MULTILINE)


def for_chart() -> str:
    return json.dumps({service: permissions(service) for service in TABLE}, indent=2) + "\n"


if __name__ == "__main__":
    COMPOSE.write_text(for_compose(COMPOSE.read_text()))
    CHART.write_text(for_chart())
