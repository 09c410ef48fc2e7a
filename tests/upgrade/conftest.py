"""Leaves the long test out unless `make test-upgrade` runs."""

import os

collect_ignore = [] if "LOUPE_UPGRADE" in os.environ else ["test_upgrade.py"]
