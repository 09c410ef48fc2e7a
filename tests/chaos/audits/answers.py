"""Clients got no answer that blames them for a fault of the system, and none that hides one."""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    return list(found.journal.wrong_answers)


AUDIT = Audit(name="answers", rule="a fault of the system is answered with 503", check=check)
