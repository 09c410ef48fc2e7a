"""Decides which of the parallel test processes runs a test.

Every process starts the servers that its tests need. Only one process starts the whole system.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

NEED_THE_STACK = ("tests/clients/", "tests/contract/", "tests/e2e/")
"""Folders whose tests share one running system."""


class BySharedServers(LoadScopeScheduling):
    """A scheduler that keeps a file in one process, and all files that need the system in the same one."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "stack" if path.startswith(NEED_THE_STACK) else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySharedServers:
    return BySharedServers(config, log)
