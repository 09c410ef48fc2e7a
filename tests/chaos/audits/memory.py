"""No component has much more memory than before the run."""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit

MORE_MEBIBYTES, FACTOR = 96, 1.5
"""Caches and pools grow at the first load. What grows with every image would be far above this."""


def check(found: Evidence) -> list[str]:
    return [
        f"{name} has {after.mebibytes:.0f} MiB, and had {before.mebibytes:.0f}"
        for name, before in found.before.items()
        if (after := found.after.get(name)) and after.mebibytes > before.mebibytes * FACTOR + MORE_MEBIBYTES
    ]


AUDIT = Audit(name="memory", rule="memory is flat", check=check)
