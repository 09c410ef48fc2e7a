"""`loupe-admin quota`: monthly quotas of users."""

from typing import Any

from common import errors
from gateway.admin import arguments
from gateway.admin.answers import Answer, in_utc, instant, number, to_json
from gateway.admin.arguments import Nouns
from gateway.admin.calls import Operator
from gateway.admin.failures import CommandFailed
from gateway.admin.plans import quota_of
from gateway.admin.tables import Column, Page, Table
from loupe.billing.v1 import billing_pb2 as pb

ENTRIES = (
    Column("TIME (UTC)"),
    Column("CHANGE", is_number=True),
    Column("REASON"),
    Column("RESERVATION"),
)


def add_to(nouns: Nouns) -> None:
    noun = nouns.add(
        "quota", "monthly quotas of users: show, ledger, set, reset", "quota show jane@example.com"
    )
    show_parser = noun.verb("show", show, "show how much of a month's quota is used", "jane@example.com")
    ledger_parser = noun.verb(
        "ledger",
        show_ledger,
        "list every change of a user's month with its reason, oldest first",
        "jane@example.com --month 2026-11",
    )
    for parser in (show_parser, ledger_parser):
        arguments.add_email(parser)
        parser.add_argument(
            "--month", type=arguments.month, default="", metavar="YYYY-MM", help="default: this month"
        )
    set_parser = noun.verb("set", set_quota, "give a user a custom quota", "jane@example.com 1000")
    arguments.add_email(set_parser)
    set_parser.add_argument(
        "images", type=arguments.quota, metavar="IMAGES", help="images a month, or `unlimited`"
    )
    reset_parser = noun.verb("reset", reset_quota, "return to the quota of the plan", "jane@example.com")
    arguments.add_email(reset_parser)


async def show(operator: Operator, email: str, month: str) -> Answer:
    ledger = await operator.read_ledger(email, month)
    found = await operator.find_user(email)
    [entitlement] = await operator.read_entitlements([found.user.id], month)
    entries = [to_json(entry) for entry in ledger.entries]
    facts = [("email", found.user.email), ("month", f"{instant(entitlement.usage, 'period_start'):%Y-%m}")]
    return Answer(
        entitlement_to_json(entitlement) | {"entries": entries}, Page([*facts, *quota_facts(entitlement)])
    )


async def show_ledger(operator: Operator, email: str, month: str) -> Answer:
    ledger = await operator.read_ledger(email, month)
    rows = [
        (
            instant(entry, "created_at"),
            f"{entry.change:+d}" if entry.change else 0,
            entry.reason,
            entry.reservation_id,
        )
        for entry in ledger.entries
    ]
    name = f"{instant(ledger.usage, 'period_start'):%Y-%m}"
    return Answer(to_json(ledger), Table(ENTRIES, rows, f"No entries in {name}."))


async def set_quota(operator: Operator, email: str, images: int | None) -> Answer:
    """Set a custom quota. None means unlimited."""
    answer = await _change(operator, email, images, unlimited=images is None)
    text = "no monthly quota" if images is None else f"a quota of {images} images a month"
    return Answer(to_json(answer), f"{email} has {text}.")


async def reset_quota(operator: Operator, email: str) -> Answer:
    answer = await _change(operator, email)
    text = f"{email} has the quota of the plan {answer.plan.slug}: {quota_of(answer.plan)} images a month."
    return Answer(to_json(answer), text)


def entitlement_to_json(entitlement: pb.UserEntitlement) -> dict[str, Any]:
    return to_json(entitlement) | {"remaining": remaining_of(entitlement)}


def quota_facts(entitlement: pb.UserEntitlement) -> list[tuple[str, object]]:
    """Return the lines of a page about a user's plan and quota."""
    custom = "a custom quota" if entitlement.has_custom_quota else f"the quota of {entitlement.plan.slug}"
    remaining = remaining_of(entitlement)
    return [
        ("plan", entitlement.plan.slug),
        ("limit", f"{quota_of(entitlement.plan)} ({custom})"),
        ("used", entitlement.usage.used),
        ("reserved", f"{entitlement.reserved} (of the used ones, for images that are not finished)"),
        ("remaining", "unlimited" if remaining is None else remaining),
        ("resets", in_utc(instant(entitlement.usage, "resets_at"))),
    ]


def remaining_of(entitlement: pb.UserEntitlement) -> int | None:
    """Return how many more images the user may make in the month. None means unlimited."""
    limit = number(entitlement.usage, "limit")
    return None if limit is None else max(0, limit - entitlement.usage.used)


async def _change(
    operator: Operator, email: str, images: int | None = None, *, unlimited: bool = False
) -> pb.SetQuotaResponse:
    try:
        return await operator.set_quota(email, images, unlimited=unlimited)
    except errors.FailedPrecondition as error:
        raise CommandFailed(
            f"{email} has no subscription, so the quota cannot change. Set a plan first: "
            f"loupe-admin plan set {email} PLAN"
        ) from error
