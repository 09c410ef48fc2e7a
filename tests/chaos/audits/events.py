"""Each completed image has one event `images.completed`, and no other image has one.

After the stream was wiped, an operator's replay publishes the events again, so there may be more.
"""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    completed = {row.id for row in found.images if row.status == "completed"}
    unfinished = {row.id for row in found.images} - completed
    lines = [
        f"image {image_id} has {found.completed_events[image_id]} events `images.completed`"
        for image_id in sorted(completed)
        if found.completed_events[image_id] != 1
        and not (found.wiped_at and found.completed_events[image_id] > 1)
    ]
    return lines + [
        f"image {image_id} has not completed, and has an event `images.completed`"
        for image_id in sorted(unfinished)
        if found.completed_events[image_id]
    ]


AUDIT = Audit(name="events", rule="one event `images.completed` for each completed image", check=check)
