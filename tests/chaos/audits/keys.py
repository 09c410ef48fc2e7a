"""An upload that was repeated with a key made one image, which every answer names, and takes one place."""

from collections import Counter

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit

TAKEN = {"reserved", "captured"}


def check(found: Evidence) -> list[str]:
    rows = Counter(row.original_filename for row in found.images)
    places = Counter(
        row.original_filename
        for row in found.images
        for place in found.reservations
        if place.id == row.reservation_id and place.state in TAKEN
    )
    lines = list[str]()
    for one in found.journal.submissions:
        if not one.answered_ids:
            continue
        if len(one.answered_ids) > 1:
            lines.append(f"the answers to {one.file_name} name {len(one.answered_ids)} images")
        if rows[one.file_name] != 1:
            lines.append(f"{one.file_name} was repeated with a key, and {rows[one.file_name]} images exist")
        if places[one.file_name] > 1:
            lines.append(f"{one.file_name} was repeated with a key, and takes {places[one.file_name]} places")
    return lines


AUDIT = Audit(name="keys", rule="a repeated upload with a key made one image and took one place", check=check)
