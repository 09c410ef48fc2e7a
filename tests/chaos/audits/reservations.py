"""No reservation is open or has expired: each image has ended, and each failed upload gave its place back."""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    rows = {row.reservation_id: row.id for row in found.images}
    return [
        f"the reservation {each.id} is {each.state}, and its image is {rows.get(each.id, 'missing')}"
        for each in found.reservations
        if each.state not in {"captured", "released"}
    ]


AUDIT = Audit(name="reservations", rule="no reservation is open", check=check)
