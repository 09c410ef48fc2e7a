"""Decides on which cluster the second day of a release is tested."""

import os

import pytest

from tests.chart.installation import Installer
from tests.chart.installation import installation as in_memory


@pytest.fixture
def installation(request: pytest.FixtureRequest) -> Installer:
    """Install in memory, or on the cluster of `make test-cluster`."""
    return request.getfixturevalue("installation_on_cluster") if "LOUPE_CLUSTER" in os.environ else in_memory
