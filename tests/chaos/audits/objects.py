"""Each object belongs to a row, and each row has its objects."""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    allowed, lines = set[str](), list[str]()
    for row in found.images:
        needed = {row.original_path} | ({row.upscaled_path} if row.status == "completed" else set())
        allowed |= needed
        lines += [f"image {row.id} has no object {key}" for key in sorted(needed - found.objects)]
    strangers = sorted(key for key in found.objects - allowed if not key.rpartition("/")[2].startswith("."))
    paths = {row.upscaled_path: row for row in found.images}
    for key in strangers:
        row = paths.get(key)
        whose = f"image {row.id}, which is {row.status}" if row else "no row"
        lines.append(f"the object {key} belongs to {whose}")
    return lines


AUDIT = Audit(name="objects", rule="no object without a row, no row without an object", check=check)
