"""Skips the long tests unless `make test-corpus` runs, which says where the packaged files are."""

import os

LONG = ["test_packaged.py", "test_generated.py"]

collect_ignore = [] if "LOUPE_CORPUS" in os.environ else LONG
