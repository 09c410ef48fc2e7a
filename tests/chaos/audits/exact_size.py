"""Every result has the size that its client asked for, and the row names the same size."""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    sizes = {one.file_name: (one.width, one.height) for one in found.journal.submissions}
    lines = list[str]()
    for row in found.images:
        wanted, reading = sizes.get(row.original_filename), found.results.get(row.id)
        if (row.upscaled_width, row.upscaled_height) != wanted:
            lines.append(
                f"the row of image {row.id} has {row.upscaled_width}x{row.upscaled_height}, not {wanted}"
            )
        if reading and not isinstance(reading, str) and (reading.width, reading.height) != wanted:
            lines.append(f"the result of image {row.id} has {reading.width}x{reading.height}, not {wanted}")
    return lines


AUDIT = Audit(name="exact size", rule="every result has the size that its client asked for", check=check)
