"""Write the plans of a local Loupe: the plans that come with Loupe, without their monthly quotas.

On a person's own machine there is nobody whom a quota would protect. BILLING_PLANS_FILE names another file.
If it is empty, the plans that come with Loupe apply.
"""

import re
from pathlib import Path

from loupe_local.state import REPOSITORY

SHIPPED = REPOSITORY / "services" / "billing" / "billing" / "plans.toml"
FILE_NAME = "plans.toml"
QUOTA = re.compile(r"^images_per_month *=.*\n", re.MULTILINE)


def write_without_quotas(folder: Path) -> None:
    (folder / FILE_NAME).write_text(QUOTA.sub("", SHIPPED.read_text()))
