"""The result of every completed image shows its own number, both in the store and at its client."""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    numbers = {one.file_name: one.number for one in found.journal.submissions}
    lines = list(found.journal.wrong_downloads)
    for row in found.images:
        if row.status == "completed":
            reading = found.results.get(row.id, "was not read")
            if isinstance(reading, str):
                lines.append(f"the result of image {row.id} cannot be read: {reading}")
            elif reading.number != numbers.get(row.original_filename):
                lines.append(f"the result of {row.original_filename} (image {row.id}) shows {reading.number}")
    return lines


AUDIT = Audit(name="own bytes", rule="the result of every image is its own", check=check)
