"""Each object belongs to a row, and each row has its objects.

A direct upload that was not used keeps its object for a day. An image that was cancelled while its result
was stored keeps that object and its previews until the image is deleted.
"""

from loupe.contract import PREVIEWS
from tests.chaos.evidence import Evidence, ImageRow
from tests.chaos.kinds import Audit

PROBE = "/.ready"
"""The end of the key that the readiness probe of the store writes and removes."""


def check(found: Evidence) -> list[str]:
    allowed, lines = set(found.waiting_uploads), list[str]()
    for row in found.images:
        needed = {row.original_path} if row.has_file else set[str]()
        if row.status == "completed":
            needed |= {row.upscaled_path, *(preview_of(row, name) for name in row.previews)}
        allowed |= {row.original_path, row.upscaled_path, *(preview_of(row, name) for name in PREVIEWS)}
        lines += [f"image {row.id} has no object {key}" for key in sorted(needed - found.objects)]
    strangers = sorted(key for key in found.objects - allowed if not key.endswith(PROBE))
    return lines + [f"the object {key} belongs to no row" for key in strangers]


def preview_of(row: ImageRow, name: str) -> str:
    stem = row.upscaled_path.rpartition("/")[2].partition(".")[0]
    return f"images/previews/{stem}.{name}"


AUDIT = Audit(name="objects", rule="no object without a row, no row without an object", check=check)
