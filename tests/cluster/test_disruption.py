"""Evictions, as `kubectl drain` sends them, leave one pod of each part that has several."""

from collections.abc import Generator

import pytest

from tests.chart.helm import MAJORS
from tests.chart.installation import UNTIL_READY, Installation
from tests.cluster.connection import Refused
from tests.cluster.fixtures import Cluster
from tests.cluster.space import Space
from tests.cluster.waiting import until

pytestmark = pytest.mark.usefixtures("imitated")
COMPONENT = "app.kubernetes.io/component"
TWO = {name: {"replicas": 2} for name in ("gateway", "auth", "images", "billing", "outbound")}
TOO_MANY_REQUESTS = 429


def names(space: Space, component: str) -> list[str]:
    pods = [one for one in space.of("Pod") if one["metadata"]["labels"].get(COMPONENT) == component]
    return [one["metadata"]["name"] for one in pods if "deletionTimestamp" not in one["metadata"]]


def evict(space: Space, pod: str) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    space.connection.send("POST", f"/api/v1/namespaces/{space.namespace}/pods/{pod}/eviction", body)


def is_guarded(space: Space, component: str) -> bool:
    budget = space.connection.get(
        f"/apis/policy/v1/namespaces/{space.namespace}/poddisruptionbudgets/loupe-{component}"
    )
    return budget.get("status", {}).get("disruptionsAllowed") == 1


@pytest.fixture(scope="module")
def several(cluster: Cluster) -> Generator[Space]:
    """A release with two replicas of each service."""
    with cluster.space() as space:
        Installation(space, MAJORS[0]).install(UNTIL_READY, **TWO)
        yield space


@pytest.mark.parametrize("component", [*TWO, "nats"])
def test_a_second_eviction_waits_for_the_replacement_of_the_first_pod(several: Space, component: str) -> None:
    until(lambda: is_guarded(several, component), "the budget knows its pods")
    first, second = names(several, component)[:2]
    several.controllers.is_starting = False

    evict(several, first)
    with pytest.raises(Refused) as refused:
        evict(several, second)
    several.controllers.is_starting = True
    until(lambda: is_guarded(several, component), "the replacement is ready")
    evict(several, second)

    assert refused.value.code == TOO_MANY_REQUESTS
