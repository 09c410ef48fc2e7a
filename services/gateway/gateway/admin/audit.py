"""`loupe-admin audit`: what happened to all accounts."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from common import errors
from common.security_events import EVENTS
from gateway.admin import arguments
from gateway.admin.answers import Answer, in_utc, instant, to_json
from gateway.admin.arguments import Nouns
from gateway.admin.calls import Operator
from gateway.admin.failures import CommandFailed, UsageError
from gateway.admin.tables import Column, Table
from loupe.audit.v1.audit_pb2 import Entry

USUAL_LIMIT = 100
COLUMNS = (
    Column("TIME (UTC)"),
    Column("EVENT"),
    Column("USER", is_number=True),
    Column("BY"),
    Column("ADDRESS"),
    Column("DETAILS", may_shorten=True),
    Column("CLIENT", may_shorten=True),
)


def add_to(nouns: Nouns) -> None:
    noun = nouns.add("audit", "what happened to accounts: list, export", "audit list --event sign_in.refused")
    listing = noun.verb("list", list_entries, "list what happened, newest first", "--since 24h")
    listing.add_argument(
        "--limit", type=arguments.count, default=USUAL_LIMIT, metavar="N", help=f"default: {USUAL_LIMIT}"
    )
    export = noun.verb(
        "export",
        export_entries,
        "print all that happened as JSON, a line for each entry, oldest first",
        "--since 2026-02-01 --until 2026-03-01 > february.ndjson",
    )
    for parser in (listing, export):
        parser.add_argument("--user", metavar="EMAIL", help="only what happened to this user")
        parser.add_argument("--user-id", type=arguments.count, metavar="ID", help="the same, by the id")
        parser.add_argument("--event", choices=sorted(EVENTS), metavar="NAME", help="only this event")
        parser.add_argument(
            "--since", type=arguments.past_time, metavar="TIME", help="an age such as 24h or 7d, or a time"
        )
        parser.add_argument("--until", type=arguments.past_time, metavar="TIME", help="the same")


async def list_entries(
    operator: Operator,
    limit: int,
    user: str | None,
    user_id: int | None,
    event: str | None,
    since: datetime | None,
    until: datetime | None,
) -> Answer:
    _check_range(since, until)
    found: list[Entry] = []
    chosen = await _user_id(operator, user, user_id)
    async for page in operator.read_audit(
        chosen, event=event, since=since, until=until, limit=limit, newest_first=True
    ):
        found += page
    rows = [
        (
            in_utc(instant(entry, "occurred_at")).removesuffix(" UTC"),
            entry.event,
            entry.user_id or None,
            _actor_of(entry),
            entry.client_address,
            " ".join(f"{name}={value}" for name, value in sorted(entry.details.items())),
            entry.user_agent,
        )
        for entry in found
    ]
    return Answer({"entries": [to_line(entry) for entry in found]}, Table(COLUMNS, rows, "Nothing."))


async def export_entries(
    operator: Operator,
    user: str | None,
    user_id: int | None,
    event: str | None,
    since: datetime | None,
    until: datetime | None,
) -> AsyncIterator[Answer]:
    """Yield an answer for each entry, which is JSON in any case."""
    _check_range(since, until)
    chosen = await _user_id(operator, user, user_id)
    async for page in operator.read_audit(chosen, event=event, since=since, until=until):
        for entry in page:
            line = to_line(entry)
            yield Answer(line, json.dumps(line))


def to_line(entry: Entry) -> dict[str, Any]:
    """Return the entry as JSON. What is not known is null."""
    line = to_json(entry) | {"details": dict(entry.details)}
    return {name: None if value in (0, "") else value for name, value in line.items()}


def _actor_of(entry: Entry) -> str:
    name = to_json(entry)["actor"]
    return f"operator {entry.operator_id}" if entry.operator_id else name


def _check_range(since: datetime | None, until: datetime | None) -> None:
    if since and until and since > until:
        raise UsageError("--since must not be after --until")


async def _user_id(operator: Operator, email: str | None, user_id: int | None) -> int:
    if email is None:
        return user_id or 0
    try:
        return (await operator.find_user(email)).user.id
    except errors.NotFound as error:
        raise CommandFailed(
            f"no user has the address {email}; of a deleted user the audit has the id: use --user-id"
        ) from error
