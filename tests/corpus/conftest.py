"""Only `make test-corpus` has the packaged files, and says where they are."""

import os

collect_ignore = [] if "LOUPE_CORPUS" in os.environ else ["test_packaged.py"]
