"""Decides which of the parallel test processes runs a test.

Every process starts the servers that its tests need. The whole system is started in one process only.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

NEED_THE_STACK = ("tests/contract/", "tests/e2e/")
"""Folders whose tests share one running system."""


class BySharedServers(LoadScopeScheduling):
    """Gives whole files to the processes, and all files that share the system to the same process."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "stack" if path.startswith(NEED_THE_STACK) else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySharedServers:
    return BySharedServers(config, log)
