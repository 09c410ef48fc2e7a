"""After everything was stopped, no process, shared memory or temporary file is left."""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    return [f"left behind: {line}" for line in found.leftovers]


AUDIT = Audit(name="leftovers", rule="no process, shared memory or temporary file is left", check=check)
