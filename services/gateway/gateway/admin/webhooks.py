"""`loupe-admin webhooks`: webhooks whose deliveries fail, and how to send everything again."""

from gateway.admin import arguments
from gateway.admin.answers import Answer, instant, to_json
from gateway.admin.arguments import Nouns
from gateway.admin.calls import Operator
from gateway.admin.tables import Column, Table

MOST_LISTED = 100
COLUMNS = (
    Column("ID", is_number=True),
    Column("USER", is_number=True),
    Column("FAILING SINCE (UTC)"),
    Column("DISABLED"),
    Column("WAITING", is_number=True),
    Column("LAST"),
    Column("URL", may_shorten=True),
)


def add_to(nouns: Nouns) -> None:
    noun = nouns.add("webhooks", "webhooks whose deliveries fail: list, redrive", "webhooks list")
    list_parser = noun.verb(
        "list", list_failing, "list failing and disabled webhooks, the oldest failure first", "--limit 20"
    )
    list_parser.add_argument(
        "--limit",
        type=arguments.count,
        default=MOST_LISTED,
        metavar="N",
        help=f"how many webhooks, at most {MOST_LISTED}",
    )
    redrive_parser = noun.verb(
        "redrive", redrive, "enable a webhook, and send at once what it has not got", "42"
    )
    redrive_parser.add_argument(
        "webhook_id", type=arguments.count, metavar="ID", help="its id in `loupe-admin webhooks list`"
    )


async def list_failing(operator: Operator, limit: int) -> Answer:
    found = (await operator.list_failing_webhooks(min(limit, MOST_LISTED))).webhooks
    rows = [
        (
            one.webhook.id,
            one.user_id,
            instant(one.webhook, "failing_since"),
            one.webhook.disabled_reason or None,
            one.waiting,
            one.last_outcome,
            one.webhook.url,
        )
        for one in found
    ]
    return Answer({"webhooks": [to_json(one) for one in found]}, Table(COLUMNS, rows, "No webhook fails."))


async def redrive(operator: Operator, webhook_id: int) -> Answer:
    count = await operator.redrive_webhook(webhook_id)
    return Answer(
        {"deliveries": count}, f"The webhook {webhook_id} is enabled, and {count} deliveries are due now."
    )
