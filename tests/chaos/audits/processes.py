"""Every component is ready, and has no more processes, threads or descriptors than before the run."""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit

MORE = {"processes": 10, "threads": 30, "descriptors": 50}
FACTOR = 1.5
"""A component may have `FACTOR` times as many as before, and `MORE`: pools grow with the load."""


def check(found: Evidence) -> list[str]:
    lines = [f"{name} is not ready" for name in found.not_ready]
    for name, before in found.before.items():
        after = found.after.get(name)
        if after is None:
            lines.append(f"{name} is not running")
            continue
        if after.zombies > before.zombies:
            lines.append(f"{name} has {after.zombies} dead processes that it does not collect")
        for what, more in MORE.items():
            was, now = getattr(before, what), getattr(after, what)
            if now > FACTOR * was + more:
                lines.append(f"{name} has {now} {what}, and had {was}")
    return lines


AUDIT = Audit(name="processes", rule="every component is ready and keeps nothing", check=check)
