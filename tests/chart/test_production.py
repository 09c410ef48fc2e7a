"""The values for production explain each line, and render to the same objects each time."""

import re

from tests.chart.checks.security import pods_are_restricted
from tests.chart.helm import CHART, PRODUCTION, load_all, rendered, template, values_of
from tests.chart.objects import called

FILE = CHART / "values-production.yaml"
EXPLAINED = re.compile(r".*\S  # \S.{3,}")


def test_each_line_is_explained() -> None:
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]

    assert len(lines) > 50
    assert [line for line in lines if not EXPLAINED.fullmatch(line)] == []


def test_rendering_again_changes_nothing_and_makes_no_secret() -> None:
    """Argo CD and Flux render at each sync: a Secret with new values would end all sessions."""
    again = load_all(template(*values_of(PRODUCTION), values={"useHelmHooks": False}))

    assert {called(one) for one in again if one["kind"] == "Secret"} == set()
    assert again == load_all(template(*values_of(PRODUCTION), values={"useHelmHooks": False}))


def test_no_component_that_answers_clients_is_a_single_pod() -> None:
    chart = rendered(PRODUCTION)
    least = {
        one["spec"]["scaleTargetRef"]["name"]: one["spec"]["minReplicas"]
        for one in chart.of("HorizontalPodAutoscaler")
    }
    budgets = {one["metadata"]["name"] for one in chart.of("PodDisruptionBudget")}

    assert all(number >= 2 for number in least.values())
    assert budgets >= {
        "loupe-gateway",
        "loupe-auth",
        "loupe-images",
        "loupe-billing",
        "loupe-outbound",
        "loupe-nats",
    }
    assert list(pods_are_restricted(chart)) == []
