"""No file of a manifest is still to be fetched, and each of its images has its own reference."""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    lines = [f"the file of image {image_id} is still to be fetched" for image_id in found.unfetched]
    return lines + [
        f"image {row.id} of {row.original_filename} has the reference {row.reference}"
        for row in found.images
        if row.reference not in (None, row.original_filename)
    ]


AUDIT = Audit(name="manifests", rule="each file of a manifest is fetched or has failed", check=check)
