"""Leaves these tests out unless `make chaos-powerloss` runs. They need FUSE, which only root may use here."""

import os

collect_ignore = [] if "LOUPE_POWERLOSS" in os.environ else ["test_power_failure.py"]
