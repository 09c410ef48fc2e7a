"""Every completed image is charged once, and every other one not at all.

A deleted image is charged if it had completed, so its reservation may be captured or released.
"""

from collections import Counter

from tests.chaos.evidence import Evidence
from tests.chaos.journal import Wish
from tests.chaos.kinds import Audit

CHARGED = {"completed": "captured", "failed": "released"}


def check(found: Evidence) -> list[str]:
    states = {each.id: each.state for each in found.reservations}
    lines = list[str]()
    for row in found.images:
        state, wanted = states.get(row.reservation_id), CHARGED.get(row.status)
        if wanted and state != wanted:
            lines.append(f"image {row.id} is {row.status}, and its reservation is {state or 'missing'}")
    for reservation_id, count in Counter(row.reservation_id for row in found.images).items():
        if count > 1:
            lines.append(f"{count} images share the reservation {reservation_id}")
    rows = {row.reservation_id for row in found.images}
    without_row = [each for each in found.reservations if each.state == "captured" and each.id not in rows]
    names = {row.original_filename for row in found.images}
    gone = [one for one in found.journal.submissions if one.file_name not in names]
    deleted = sum(one.wish != Wish.RESULT for one in gone)
    if len(without_row) > deleted:
        lines.append(f"{len(without_row)} images without a row are charged, and {deleted} were deleted")
    return lines + _wrong_sums(found, states)


def _wrong_sums(found: Evidence, states: dict[str, str]) -> list[str]:
    """Compare what the ledger has charged for each reservation with its state."""
    charged = Counter[str]()
    for entry in found.ledger:
        charged[entry.reservation_id] += entry.change
    return [
        f"the ledger charges {charged[name]} for the {state} reservation {name}"
        for name, state in states.items()
        if charged[name] != (state in {"captured", "reserved"})
    ]


AUDIT = Audit(name="charged once", rule="every completed image is charged once, others not", check=check)
