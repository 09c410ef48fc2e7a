"""Every accepted image has ended as its client asked: with a result, cancelled, deleted, or expired."""

from tests.chaos.evidence import Evidence, ImageRow
from tests.chaos.journal import Submission, Wish
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    rows = {row.original_filename: row for row in found.images}
    lines = (_line(one, rows.get(one.file_name)) for one in found.journal.submissions)
    return [line for line in lines if line]


def _line(one: Submission, row: ImageRow | None) -> str | None:
    if row is None:
        may_be_gone = one.wish != Wish.RESULT or not one.is_accepted
        return None if may_be_gone else f"{one.file_name} was accepted and is gone"
    if one.wish == Wish.EXPIRE:
        return f"{one.file_name} (image {row.id}) is {row.status}, and should have expired"
    if one.wish == Wish.DELETE and one.is_wish_confirmed:
        return f"{one.file_name} was deleted and still exists"
    if row.status == "completed":
        return None
    is_cancelled = row.status == "failed" and row.failure_code == "cancelled"
    if is_cancelled and one.wish == Wish.CANCEL:
        return None
    return f"{one.file_name} (image {row.id}) is {row.status} {row.failure_code or ''}".rstrip()


AUDIT = Audit(name="ended", rule="every accepted image ended as its client asked", check=check)
