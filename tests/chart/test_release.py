"""No check finds a defect in what Helm renders from each profile."""

import pytest

from tests.chart.checks import Check
from tests.chart.checks.all import CHECKS
from tests.chart.helm import PROFILES, rendered


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("profile", PROFILES)
def test_no_check_finds_a_defect(profile: str, check: Check) -> None:
    assert list(check(rendered(profile))) == []
