"""A batch exists as a whole or not at all, has ended, and its counters agree with its images."""

from collections import Counter

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit

ENDED = {"completed", "partially_failed", "failed", "cancelled"}


def check(found: Evidence) -> list[str]:
    counts = Counter((row.batch_id, kind) for row in found.images for kind in ("all", row.status))
    lines = list[str]()
    for batch in found.batches:
        if batch.status not in ENDED:
            lines.append(f"batch {batch.id} is {batch.status}")
        there = tuple(counts[batch.id, kind] for kind in ("all", "completed", "failed"))
        counted = batch.total_images, batch.completed_images, batch.failed_images
        if there != counted:
            lines.append(f"batch {batch.id} counts {counted} images, and has {there}")
    return lines


AUDIT = Audit(name="batches", rule="batches are whole, and count their images", check=check)
