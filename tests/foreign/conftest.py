"""Skips these tests unless `make test-models` runs, which converts the networks first."""

import os

from tests.e2e.conftest import anyone, jane

__all__ = ["anyone", "jane"]
collect_ignore = [] if "foreign" in os.environ.get("LOUPE_OWN_MODELS", "") else ["test_foreign.py"]
