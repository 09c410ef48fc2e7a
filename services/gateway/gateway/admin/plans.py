"""`loupe-admin plan`: the plans of this installation, and which of them a user is on."""

from datetime import datetime

from gateway.admin import arguments
from gateway.admin.answers import Answer, in_utc, instant, number, to_json
from gateway.admin.arguments import Nouns
from gateway.admin.calls import Operator
from gateway.admin.tables import Column, Table
from loupe.billing.v1 import billing_pb2 as pb

COLUMNS = (
    Column("PLAN"),
    Column("NAME", may_shorten=True),
    Column("PRICE", is_number=True),
    Column("IMAGES/MONTH", is_number=True),
    Column("REQUESTS/HOUR", is_number=True),
    Column("MAX SCALE", is_number=True),
    Column("FEATURES", may_shorten=True),
)


def add_to(nouns: Nouns) -> None:
    noun = nouns.add("plan", "plans: list them, put a user on one", "plan set jane@example.com professional")
    noun.verb("list", list_plans, "list the plans of this installation", "")
    set_parser = noun.verb(
        "set",
        set_plan,
        "put a user on a plan; options that are not given are removed from the subscription",
        "jane@example.com professional --trial-until 2026-12-31",
    )
    arguments.add_email(set_parser)
    set_parser.add_argument("plan", metavar="PLAN", help="the plan as `loupe-admin plan list` names it")
    set_parser.add_argument(
        "--trial-until",
        type=arguments.time,
        metavar="TIME",
        help="the trial ends then; UTC without an offset",
    )
    set_parser.add_argument(
        "--until", type=arguments.time, metavar="TIME", help="cancelled: the subscription ends then"
    )
    set_parser.add_argument(
        "--past-due", action="store_true", help="a payment is missing; the user cannot make new images"
    )


async def list_plans(operator: Operator) -> Answer:
    listed = await operator.list_plans()
    rows = [
        (
            plan.slug,
            plan.name,
            number(plan, "price"),
            quota_of(plan),
            plan.requests_per_hour,
            plan.max_scale,
            list(plan.features),
        )
        for plan in listed.plans
    ]
    return Answer(to_json(listed), Table(COLUMNS, rows, "No plans."))


async def set_plan(
    operator: Operator,
    email: str,
    plan: str,
    trial_until: datetime | None,
    until: datetime | None,
    *,
    past_due: bool,
) -> Answer:
    answer = await operator.set_plan(email, plan, trial_until, until, past_due=past_due)
    status = describe(answer.subscription if answer.HasField("subscription") else None)
    return Answer(to_json(answer), f"{email} is on the plan {answer.plan.slug}, {status}.")


def quota_of(plan: pb.Plan) -> int | str:
    """Return how many images the plan includes in a month."""
    found = number(plan, "images_per_month")
    return "unlimited" if found is None else found


def describe(subscription: pb.Subscription | None) -> str:
    """Return the status of a subscription, and until when it holds."""
    if subscription is None:
        return "without a subscription"
    ends_at, trial_ends_at = instant(subscription, "ends_at"), instant(subscription, "trial_ends_at")
    match subscription.status:
        case "canceled":
            return f"ended on {in_utc(ends_at)}"
        case "trialing":
            return f"on trial until {in_utc(min(filter(None, (ends_at, trial_ends_at))))}"
        case status if ends_at:
            return f"{status.replace('_', ' ')}, cancelled: ends on {in_utc(ends_at)}"
        case status:
            return status.replace("_", " ")
