"""Each object belongs to a row, and each row has its objects.

A direct upload that was not used keeps its object for a day. An image that was cancelled while its result
was stored keeps that object until the image is deleted.
"""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit

PROBE = "/.ready"
"""The end of the key that the readiness probe of the store writes and removes."""


def check(found: Evidence) -> list[str]:
    allowed, lines = set(found.waiting_uploads), list[str]()
    for row in found.images:
        needed = ({row.original_path} if row.has_file else set()) | (
            {row.upscaled_path} if row.status == "completed" else set()
        )
        allowed |= {row.original_path, row.upscaled_path}
        lines += [f"image {row.id} has no object {key}" for key in sorted(needed - found.objects)]
    strangers = sorted(key for key in found.objects - allowed if not key.endswith(PROBE))
    return lines + [f"the object {key} belongs to no row" for key in strangers]


AUDIT = Audit(name="objects", rule="no object without a row, no row without an object", check=check)
