"""No component has much more memory than before the run."""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit

MORE_MEBIBYTES, MORE_IN_STORES, FACTOR = 96, 384, 1.5
"""Caches and pools grow with the load up to a limit, those of the stores up to a higher one."""
STORES = ("postgres", "nats", "objects", "triton")


def check(found: Evidence) -> list[str]:
    more = {name: MORE_IN_STORES if name in STORES else MORE_MEBIBYTES for name in found.before}
    return [
        f"{name} has {after.mebibytes:.0f} MiB, and had {before.mebibytes:.0f}"
        for name, before in found.before.items()
        if (after := found.after.get(name)) and after.mebibytes > before.mebibytes * FACTOR + more[name]
    ]


AUDIT = Audit(name="memory", rule="memory is flat", check=check)
