"""Decides which of the parallel test processes runs a test.

Every process starts the servers that its tests need. Tests of the whole system are in two groups, so that at
most two processes start it.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

NEED_THE_STACK = ("tests/clients/", "tests/contract/", "tests/e2e/")
"""Folders whose tests share one running system."""
NEED_A_SECOND_STACK = (
    "tests/console/",
    "tests/gateway/",
    "tests/inference/test_golden_triton.py",
    "tests/inference/test_neutral.py",
    "tests/inference/test_triton.py",
    "tests/snippets/",
)
"""Folders and files whose tests share another one. Both groups take about as long."""
COLLECTIONS_DIFFER = (
    "The test processes have collected different tests, so none was run: the id of a test holds something "
    "that differs between processes, such as the time."
)


class BySharedServers(LoadScopeScheduling):
    """A scheduler that keeps a file in one process, and all files of a group in the same one."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path.startswith(NEED_THE_STACK):
            return "stack"
        return "second stack" if path.startswith(NEED_A_SECOND_STACK) else path

    def _check_nodes_have_same_collection(self) -> bool:
        """End the run if the collections differ. It would otherwise end as if tests had failed."""
        if not super()._check_nodes_have_same_collection():
            pytest.exit(COLLECTIONS_DIFFER, pytest.ExitCode.USAGE_ERROR)
        return True


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> BySharedServers:
    return BySharedServers(config, log)
