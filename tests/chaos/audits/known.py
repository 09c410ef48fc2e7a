"""Every image in the database was submitted once, by its owner, and was not refused."""

from collections import Counter

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    submitted = {one.file_name: one for one in found.journal.submissions}
    lines = list[str]()
    for name, count in Counter(row.original_filename for row in found.images).items():
        if count > 1:
            lines.append(f"{name} exists {count} times")
    for row in found.images:
        one = submitted.get(row.original_filename)
        if one is None:
            lines.append(f"{row.original_filename} (image {row.id}) was never submitted")
        elif one.is_accepted is False:
            lines.append(f"{row.original_filename} (image {row.id}) was refused and exists")
        elif one.user_id != row.user_id:
            lines.append(f"{row.original_filename} belongs to user {row.user_id}, not {one.user_id}")
        elif one.image_id not in {None, row.id}:
            lines.append(f"{row.original_filename} is image {row.id}, and its client got {one.image_id}")
    return lines


AUDIT = Audit(name="known", rule="every image was submitted once, by its owner", check=check)
