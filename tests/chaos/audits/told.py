"""A client that followed events heard the end of each image and batch, through every break."""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    ended = [("image", row.id) for row in found.images] + [("batch", batch.id) for batch in found.batches]
    return [
        f"nobody was told of the end of {kind} {number}"
        for kind, number in ended
        if (kind, number) not in found.journal.heard
    ]


AUDIT = Audit(name="told", rule="every ending was told to who followed events", check=check)
