"""A release that restores a backup."""

import functools
from typing import Any

from tests.chart.helm import DEFAULT, release
from tests.chart.objects import Release

BUCKET = {"endpoint": "https://s3.example.com", "bucket": "backups", "existingSecret": "given"}
RESTORING: dict[str, Any] = {"paused": True, "backup": {"enabled": True, "restore": "latest", "s3": BUCKET}}


@functools.cache
def restoring() -> Release:
    """Return the default release with its backup, while it restores the latest one."""
    return release(DEFAULT, **RESTORING)
