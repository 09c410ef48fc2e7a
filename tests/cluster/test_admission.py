"""Pod security and quotas that a cluster enforces on its namespaces admit the release."""

import pytest

from tests.chart.helm import MAJORS, Refused
from tests.chart.installation import UNTIL_READY, Installation
from tests.chart.objects import Object
from tests.cluster import connection
from tests.cluster.space import Space
from tests.cluster.waiting import until

AMOUNTS = {"limits.cpu": "200", "limits.memory": "200Gi", "requests.cpu": "100", "requests.memory": "100Gi"}
QUOTA: Object = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "team"},
    "spec": {"hard": AMOUNTS},
}
LIMITS = {"global": {"defaultLimits": {"cpu": "4"}}}
of_each_helm = pytest.mark.parametrize("major", MAJORS)


def refusals(space: Space) -> list[str]:
    """Return what the controllers were told when they could not create pods."""
    events = space.connection.get(
        f"/api/v1/namespaces/{space.namespace}/events", fieldSelector="reason=FailedCreate"
    )
    return [one["message"] for one in events["items"]]


@of_each_helm
def test_a_namespace_that_enforces_restricted_pods_admits_everything(space: Space, major: int) -> None:
    release = Installation(space, major)

    release.install(UNTIL_READY, operator={"enabled": True})
    release.upgrade(UNTIL_READY, operator={"enabled": True}, logLevel="DEBUG")
    status = release.status()
    refused = refusals(space)

    assert status == (2, "deployed")
    assert refused == []


def test_the_namespace_refuses_other_pods(space: Space) -> None:
    with pytest.raises(connection.Refused, match="violates PodSecurity"):
        space.kubectl("run", "root", "--image=busybox")


@of_each_helm
def test_a_quota_on_limits_admits_a_release_whose_containers_all_have_limits(
    space: Space, major: int
) -> None:
    release = Installation(space, major)
    space.connection.send("POST", f"/api/v1/namespaces/{space.namespace}/resourcequotas", QUOTA)

    release.install(UNTIL_READY, **LIMITS)
    release.upgrade(UNTIL_READY, logLevel="DEBUG", **LIMITS)
    used = space.connection.get(f"/api/v1/namespaces/{space.namespace}/resourcequotas/team")["status"]["used"]

    assert refusals(space) == []
    assert used.keys() == AMOUNTS.keys()
    assert "0" not in used.values()


def test_a_quota_on_limits_refuses_containers_without_limits(space: Space) -> None:
    release = Installation(space, MAJORS[0])
    space.connection.send("POST", f"/api/v1/namespaces/{space.namespace}/resourcequotas", QUOTA)

    with pytest.raises(Refused):
        release.install(UNTIL_READY, "--timeout", "5s")
    refused = until(lambda: refusals(space), "the quota refuses a pod")

    assert any("must specify limits.cpu" in message for message in refused)


def test_a_release_recovers_once_its_quota_is_large_enough(space: Space) -> None:
    release = Installation(space, MAJORS[0])
    quotas = f"/api/v1/namespaces/{space.namespace}/resourcequotas"
    small = QUOTA | {"spec": {"hard": AMOUNTS | {"limits.cpu": "4"}}}
    space.connection.send("POST", quotas, small)
    with pytest.raises(Refused):
        release.upgrade("--install", UNTIL_READY, "--timeout", "5s", **LIMITS)
    until(lambda: any("exceeded quota" in message for message in refusals(space)), "the quota refuses a pod")

    space.connection.send("PATCH", f"{quotas}/team", {"spec": {"hard": AMOUNTS}}, connection.MERGE)
    space.kubectl("rollout", "restart", "statefulset")
    release.upgrade(UNTIL_READY, **LIMITS)

    assert release.status() == (2, "deployed")
