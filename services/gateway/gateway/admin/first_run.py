"""`loupe-admin first-run`: the one-time code for the account of the first operator."""

from gateway.admin.answers import Answer, in_utc, instant, to_json
from gateway.admin.arguments import Nouns
from gateway.admin.calls import Operator


def add_to(nouns: Nouns) -> None:
    nouns.add_command(
        "first-run", make_code, "print a new one-time code for the console, while there is no operator"
    )


async def make_code(operator: Operator) -> Answer:
    made = await operator.start_first_run()
    text = (
        f"Code: {made.code}\nIt works once, until {in_utc(instant(made, 'expires_at'))}. "
        "Open /console, and create the account of the first operator with it."
    )
    return Answer(to_json(made), text)
