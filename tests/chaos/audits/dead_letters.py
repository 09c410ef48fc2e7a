"""No message was given up."""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    return [f"the stream DEAD has {found.dead_letters} messages"] if found.dead_letters else []


AUDIT = Audit(name="dead letters", rule="no message was given up", check=check)
