"""Write the plans of a local Loupe: the plans that come with Loupe, without their monthly quotas.

On a person's own machine there is nobody whom a quota would protect. BILLING_PLANS_FILE names another file.
If it is empty, the plans that come with Loupe apply. A file that somebody has changed is left alone.
"""

import hashlib
import re
from pathlib import Path

from loupe_local.state import REPOSITORY

SHIPPED = REPOSITORY / "services" / "billing" / "billing" / "plans.toml"
FILE_NAME = "plans.toml"
QUOTA = re.compile(r"^images_per_month *=.*\n", re.MULTILINE)


WRITTEN = "# Loupe writes this file at each start, unless somebody changes it. Checksum: "


def write_without_quotas(folder: Path) -> None:
    path, plans = folder / FILE_NAME, QUOTA.sub("", SHIPPED.read_text())
    if is_changed(path):
        return
    path.write_text(f"{WRITTEN}{checksum(plans)}\n{plans}")


def is_changed(path: Path) -> bool:
    """Return whether somebody has changed the file since Loupe wrote it. Without a checksum it is unknown."""
    if not path.exists():
        return False
    first, _, plans = path.read_text().partition("\n")
    return first.startswith(WRITTEN) and first.removeprefix(WRITTEN) != checksum(plans)


def checksum(plans: str) -> str:
    return hashlib.sha256(plans.encode()).hexdigest()
