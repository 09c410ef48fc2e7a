"""`loupe-admin endings`: outcomes of images. The command keeps the old word."""

from datetime import datetime

from gateway.admin import arguments
from gateway.admin.answers import Answer
from gateway.admin.arguments import Nouns
from gateway.admin.calls import Operator


def add_to(nouns: Nouns) -> None:
    noun = nouns.add("endings", "outcomes of images: replay", "endings replay --since 24h")
    replay_parser = noun.verb(
        "replay",
        replay,
        "send the outcomes to billing again; known outcomes change nothing",
        "--since 24h",
    )
    replay_parser.add_argument(
        "--since",
        type=arguments.past_time,
        required=True,
        metavar="TIME",
        help="outcomes since then: a time, or an age such as 24h or 7d",
    )


async def replay(operator: Operator, since: datetime) -> Answer:
    replayed = await operator.replay_outcomes(since)
    return Answer({"replayed": replayed}, f"Outcomes sent to billing again: {replayed}.")
