"""`loupe-admin dead`: messages whose consumer gave up, including failed jobs."""

from gateway.admin import arguments
from gateway.admin.answers import Answer, instant, to_json
from gateway.admin.arguments import Nouns
from gateway.admin.calls import MOST_DEAD_MESSAGES, Operator
from gateway.admin.tables import Column, Table

COLUMNS = (
    Column("SEQUENCE", is_number=True),
    Column("GIVEN UP (UTC)"),
    Column("SUBJECT"),
    Column("CONSUMER"),
    Column("IMAGE", is_number=True),
    Column("ERROR", may_shorten=True),
)


def add_to(nouns: Nouns) -> None:
    noun = nouns.add(
        "dead", "messages whose consumer gave up, including failed jobs: list, redrive", "dead list"
    )
    list_parser = noun.verb("list", list_messages, "list the messages, newest first", "--limit 20")
    list_parser.add_argument(
        "--limit",
        type=arguments.count,
        default=MOST_DEAD_MESSAGES,
        metavar="N",
        help=f"how many messages, at most {MOST_DEAD_MESSAGES}",
    )
    redrive_parser = noun.verb("redrive", redrive, "send a message to its consumer again", "42")
    redrive_parser.add_argument(
        "sequence", type=arguments.count, metavar="SEQUENCE", help="its number in `loupe-admin dead list`"
    )


async def list_messages(operator: Operator, limit: int) -> Answer:
    messages = (await operator.list_dead(min(limit, MOST_DEAD_MESSAGES))).messages
    rows = [
        (
            one.sequence,
            instant(one, "created_at"),
            one.subject,
            one.consumer,
            one.image_id or None,
            one.error,
        )
        for one in messages
    ]
    listed = [to_json(one) | {"image_id": one.image_id or None} for one in messages]
    return Answer({"messages": listed}, Table(COLUMNS, rows, "No dead messages."))


async def redrive(operator: Operator, sequence: int) -> Answer:
    await operator.redrive_dead(sequence)
    return Answer({}, f"The message {sequence} goes to its consumer again.")
