"""A webhook told the end of each image and batch, at least once.

A broker that was wiped has lost the events that outbound had not read. So only what was uploaded after it
is audited then.
"""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    ended = [("image", row) for row in found.images] + [("batch", batch) for batch in found.batches]
    return [
        f"no webhook told the end of {kind} {row.id}"
        for kind, row in ended
        if (kind, row.id) not in found.journal.delivered
        and (found.wiped_at is None or row.created_at > found.wiped_at)
    ]


AUDIT = Audit(name="delivered", rule="a webhook told every ending", check=check)
