"""`make check` runs the tests that a change affects."""

from pathlib import Path

import pytest

from tests.affected import ROOT, STACK_DISTANCE, distance

LIMITS_TEST = ROOT / "tests" / "gateway" / "test_limits.py"


def distance_to(test: Path, changed: str) -> int | None:
    return distance(test, frozenset({ROOT / changed}))


def test_a_changed_test_file_is_nearest() -> None:
    assert distance_to(LIMITS_TEST, "tests/gateway/test_limits.py") == 0


def test_a_test_of_a_module_is_nearer_than_the_test_of_a_module_that_imports_it() -> None:
    changed = "services/inference/inference/encoding/png.py"

    direct = distance_to(ROOT / "tests/inference/test_encoding.py", changed)
    indirect = distance_to(ROOT / "tests/inference/worker/test_worker_jobs.py", changed)

    assert direct == 1
    assert indirect is not None
    assert indirect > direct


@pytest.mark.parametrize(
    "changed", ["services/billing/billing/domain/quotas.py", "docs/backup.md", "requirements/dev.txt"]
)
def test_a_change_that_a_test_does_not_import_does_not_affect_it(changed: str) -> None:
    assert distance_to(LIMITS_TEST, changed) is None


def test_a_changed_page_affects_the_tests_that_name_it() -> None:
    assert distance_to(ROOT / "tests/contract/test_docs.py", "docs/api.md") is not None


def test_a_changed_file_of_the_chart_affects_all_tests_of_the_chart() -> None:
    assert distance_to(ROOT / "tests/chart/test_network.py", "deploy/helm/loupe/values.yaml") is not None


def test_a_changed_service_affects_the_tests_of_the_whole_system_last() -> None:
    changed = "services/billing/billing/domain/quotas.py"

    assert distance_to(ROOT / "tests/e2e/test_upscale.py", changed) == STACK_DISTANCE
