"""The rights of each service at the broker. Everything else is refused.

This table is the source. `python -m loupe_local.nats_permissions` writes it to the configuration of Compose
and to the chart. Tests compare them, and compare the table with the services' code.

The streams are in one account, and each service has another account, which imports what the table names.
Permissions alone do not suffice: the broker checks the subject of a message, but not the subject for the
answer, to which it publishes with its own rights. Between accounts it replaces that subject, so the answer
reaches only the account that has asked.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loupe_local.state import REPOSITORY

CHART = REPOSITORY / "deploy" / "helm" / "loupe" / "files" / "nats-permissions.json"
CHART_ACCOUNTS = CHART.with_name("nats-accounts.json")
COMPOSE = REPOSITORY / "deploy" / "compose" / "nats.conf"
DEAD = "DEAD"
AUDIT = "AUDIT"
ALL_REDRIVES = "redrive.>"
STREAMS_ACCOUNT = "APP"
"""The account with the streams. JetStream stores data by account, so a stream cannot move to another one."""
JETSTREAM_STATE = "$JS.API.INFO"
"""Each account imports it, and no permission allows it. The broker would otherwise answer requests to
JetStream in that account too, with "not enabled".
"""


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
    """Streams that it reads without a consumer, message by message."""
    redrives_own_letters: bool = False
    manages_letters: bool = False
    """Whether it reads and deletes all dead letters, and asks other services to handle theirs again."""


TABLE: Mapping[str, Rights] = {
    "auth": Rights(
        publishes=("auth.>", "audit.auth"),
        declares=("AUTH", AUDIT),
        consumes=(
            ("AUTH", "auth-mail"),
            ("AUTH", "auth-notice"),
            ("OUTBOUND", "auth-webhooks"),
            ("OUTBOUND", "auth-new-webhooks"),
            (AUDIT, "auth-audit"),
        ),
        redrives_own_letters=True,
    ),
    "billing": Rights(
        publishes=("billing.>", "audit.billing"),
        declares=("BILLING",),
        creates=(DEAD, AUDIT),
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
            "audit.images",
            "dead.QUEUE.inference-standard",
            "dead.QUEUE.inference-priority",
        ),
        declares=("QUEUE", "IMAGES", "RESULTS", "CLIENT_EVENTS", DEAD),
        creates=(AUDIT,),
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
    "outbound": Rights(
        publishes=("outbound.>", "events.*.webhook.disabled", "audit.outbound"),
        declares=("OUTBOUND",),
        creates=(DEAD, AUDIT),
        consumes=(
            ("CLIENT_EVENTS", "outbound-events"),
            ("AUTH", "outbound-users"),
            ("AUTH", "outbound-restored"),
        ),
        redrives_own_letters=True,
    ),
    "gateway": Rights(
        publishes=("limits.>",),
        listens=(
            "auth.tokens_revoked",
            "auth.user_changed",
            "billing.plan_changed",
            "billing.usage_changed",
            "events.>",
        ),
        creates=("LIMITS",),
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
        publish += [f"$JS.API.STREAM.MSG.GET.{stream}"]
    subscribe = [f"_INBOX.service.{user or service}.>", *rights.listens]
    subscribe += _redrives(service)
    if rights.redrives_own_letters:
        publish += [f"$JS.API.STREAM.MSG.GET.{DEAD}"]
    if rights.manages_letters:
        publish += [f"$JS.API.STREAM.MSG.DELETE.{DEAD}", ALL_REDRIVES]
    answers = {"allow_responses": {"max": 1, "expires": "1m"}} if rights.redrives_own_letters else {}
    return {"publish": {"allow": publish}, "subscribe": {"allow": subscribe}, **answers}


def account_of(service: str) -> str:
    return f"{STREAMS_ACCOUNT}_{service.upper()}"


def accounts() -> dict[str, dict[str, Any]]:
    """Return what each account exports and imports, in the format of NATS.

    Requests go through the account with the streams, so a service whose user is there works too. What a
    service hears comes from its publisher's account as well, because the broker does not pass on what an
    account has imported as a service. In a cluster it may arrive twice, which is harmless.
    """
    names = [STREAMS_ACCOUNT, *map(account_of, TABLE)]
    found: dict[str, dict[str, Any]] = {name: {"exports": [], "imports": []} for name in names}
    sharing: dict[tuple[str, str, str], list[str]] = {}

    def share(kind: str, subject: str, *, of: str, to: str) -> None:
        sharing.setdefault((of, kind, subject), []).append(to)
        found[to]["imports"].append({kind: {"account": of, "subject": subject}})

    for service, rights in TABLE.items():
        account, others = account_of(service), [each for each in TABLE if each != service]
        for subject in (JETSTREAM_STATE, *permissions(service)["publish"]["allow"]):
            # its own account answers for its own letters
            asked = [each for other in others for each in _redrives(other)]
            for each in asked if subject == ALL_REDRIVES else [subject]:
                share("service", each, of=STREAMS_ACCOUNT, to=account)
        for subject in rights.listens:
            for source in (STREAMS_ACCOUNT, account_of(_publisher(subject))):
                share("stream", subject, of=source, to=account)
        if not rights.manages_letters:
            for subject in _redrives(service):
                share("service", subject, of=account, to=STREAMS_ACCOUNT)
    for (owner, kind, subject), users in sharing.items():
        found[owner]["exports"].append({kind: subject, "accounts": users})
    return found


def _publisher(subject: str) -> str:
    """Return the service that publishes on this subject."""
    folder = subject.split(".", maxsplit=1)[0]
    return next(
        name for name, rights in TABLE.items() if any(one.split(".")[0] == folder for one in rights.publishes)
    )


def _redrives(service: str) -> list[str]:
    """Return the subjects on which the service is asked to handle its letters again."""
    rights = TABLE[service]
    return [
        f"redrive.{stream}.{durable}" for stream, durable in rights.consumes if rights.redrives_own_letters
    ]


def configuration(password: Callable[[str], str], *, administrator: str = "") -> str:
    """Return the accounts with their users, as lines of the broker's configuration."""
    users = {account_of(each): _user(each, password(each), permissions(each)) for each in TABLE}
    users[STREAMS_ACCOUNT] = _user(administrator, password(administrator), {}) if administrator else ""
    lines = [f"  SYS: {{ users: [ {{ user: sys, password: {password('sys')} }} ] }}"]
    for name, account in accounts().items():
        jetstream = "jetstream: enabled, " if name == STREAMS_ACCOUNT else ""
        lines.append(f"  {name}: {{ {jetstream}users: [ {users[name]} ]".replace("[  ]", "[]"))
        for direction, entries in account.items():
            if entries:
                lines += [f"    {direction}: [", *(f"      {json.dumps(each)}" for each in entries), "    ]"]
        lines.append("  }")
    return "\n".join(lines)


def _user(name: str, password: str, rights: Mapping[str, Any]) -> str:
    suffix = f", permissions: {json.dumps(rights)}" if rights else ""
    return f"{{ user: {name}, password: {password}{suffix} }}"


def for_compose(text: str) -> str:
    """Return the configuration of Compose with the accounts of this table."""
    block = configuration(lambda user: f"$NATS_PASSWORD_{user.upper()}")
    return re.sub(
        r"(?<=^accounts \{\n).*?(?=^\}$)", lambda _: f"{block}\n", text, flags=re.MULTILINE | re.DOTALL
    )


def for_chart() -> str:
    return json.dumps({service: permissions(service) for service in TABLE}, indent=2) + "\n"


def accounts_for_chart() -> str:
    """Return the accounts as JSON, with an entry on each line."""
    text = json.dumps(accounts())
    return re.sub(r'(?<=[\[{]|,) ?(?={"service|{"stream|"APP[A-Z_]*": {)', "\n", text) + "\n"


if __name__ == "__main__":
    COMPOSE.write_text(for_compose(COMPOSE.read_text()))
    CHART.write_text(for_chart())
    CHART_ACCOUNTS.write_text(accounts_for_chart())
