"""Each check finds its planted defect, and no check finds anything in a correct release."""

import pytest

from tests.chart.checks import Check
from tests.chart.checks.all import CHECKS
from tests.chart.defects import Defect, names, pods, references, scaling, security, wiring
from tests.chart.objects import Release
from tests.chart.planted_defects import correct_release

DEFECTS: tuple[Defect, ...] = (
    *names.DEFECTS,
    *wiring.DEFECTS,
    *references.DEFECTS,
    *scaling.DEFECTS,
    *security.DEFECTS,
    *pods.DEFECTS,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_nothing_is_found_in_a_correct_release(check: Check) -> None:
    assert list(check(correct_release())) == []


@pytest.mark.parametrize(
    ("check", "release", "message"),
    DEFECTS,
    ids=[f"{check.__name__}-{message}" for check, _, message in DEFECTS],
)
def test_a_defect_is_found(check: Check, release: Release, message: str) -> None:
    found = list(check(release))

    assert any(message in problem for problem in found), found


def test_each_check_has_a_defect() -> None:
    proven = {check for check, _, _ in DEFECTS}

    assert proven == set(CHECKS)
