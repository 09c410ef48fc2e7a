"""The commands of docs/operations.md, in a cluster: secrets are rotated, volumes grow, services pause."""

import json

import pytest

from tests.chart.helm import MAJORS, Refused
from tests.chart.installation import UNTIL_READY, Installation
from tests.cluster.space import Space
from tests.cluster.waiting import until

of_each_helm = pytest.mark.parametrize("major", MAJORS)
SERVICES = ("gateway", "auth", "images", "billing", "inference", "outbound")
IMMEDIATELY = ("--timeout", "2s")
READERS = {
    "loupe-auth-credentials": [*(f"deployment/loupe-{name}" for name in SERVICES)],
    "loupe-postgresql": [
        "statefulset/loupe-postgresql",
        *(f"deployment/loupe-{name}" for name in ("auth", "billing", "images", "outbound")),
    ],
    "loupe-nats": ["statefulset/loupe-nats", *(f"deployment/loupe-{name}" for name in SERVICES)],
    "loupe-object-store": [
        "statefulset/loupe-object-store",
        "deployment/loupe-images",
        "deployment/loupe-inference",
    ],
}
"""The Secrets that the chart generates, and the workloads to restart after a change."""


def rotate(space: Space, secret: str, keys: list[str]) -> dict[str, str]:
    new = {key: f"rotated{key}" * 4 for key in keys}
    space.patch_secret(secret, new)
    for workload in READERS[secret]:
        space.kubectl("rollout", "restart", workload)
    for workload in READERS[secret]:
        space.kubectl("rollout", "status", workload, "--timeout=90s")
    return new


@of_each_helm
def test_every_rotated_secret_outlives_upgrade_and_rollback(space: Space, major: int) -> None:
    release = Installation(space, major)
    release.install(UNTIL_READY)
    made = release.secrets()

    rotated = {name: rotate(space, name, sorted(made[name])) for name in READERS}
    release.upgrade(UNTIL_READY, logLevel="DEBUG")
    upgraded = release.secrets()
    release.rollback(1, UNTIL_READY)
    rolled_back = release.secrets()

    assert made.keys() == READERS.keys()
    assert upgraded == rolled_back == rotated


@of_each_helm
def test_a_claim_is_enlarged_around_its_running_pod(space: Space, major: int) -> None:
    release = Installation(space, major)
    release.install(UNTIL_READY)
    larger = {"postgresql": {"bundled": {"storage": {"size": "50Gi"}}}}
    before = space.get("Pod", "loupe-postgresql-0")["metadata"]["uid"]

    with pytest.raises(Refused, match="Forbidden"):
        release.upgrade(**larger)
    patch = {"spec": {"resources": {"requests": {"storage": "50Gi"}}}}
    space.kubectl("patch", "pvc", "data-loupe-postgresql-0", "--patch", json.dumps(patch))
    space.kubectl("delete", "statefulset", "loupe-postgresql", "--cascade=orphan")
    release.upgrade(UNTIL_READY, **larger)
    after = space.get("Pod", "loupe-postgresql-0")["metadata"]["uid"]

    assert after == before
    assert space.get("StatefulSet", "loupe-postgresql")["status"]["readyReplicas"] == 1


@of_each_helm
def test_paused_services_have_no_pods_and_come_back(space: Space, major: int) -> None:
    release = Installation(space, major)
    release.install(UNTIL_READY)

    release.upgrade(paused=True)
    selector = f"--selector=app.kubernetes.io/component in ({', '.join(SERVICES)})"
    space.kubectl("wait", "pod", "--for=delete", selector, "--timeout=90s")
    paused = {component(one) for one in space.of("Pod")}
    release.upgrade(UNTIL_READY)
    back = {component(one) for one in space.of("Pod")}

    assert paused == {"postgresql", "nats", "object-store", "operator"}
    assert back == paused | set(SERVICES)


def component(pod: dict[str, dict[str, dict[str, str]]]) -> str:
    return pod["metadata"]["labels"]["app.kubernetes.io/component"]


@of_each_helm
def test_helm_test_succeeds(space: Space, major: int) -> None:
    release = Installation(space, major)
    release.install(UNTIL_READY)

    answer = release.test()

    assert "Succeeded" in answer


@of_each_helm
@pytest.mark.usefixtures("imitated")
def test_helm_test_fails_if_its_pod_fails(space: Space, major: int) -> None:
    release = Installation(space, major)
    release.install(UNTIL_READY)
    space.controllers.ending = lambda _: False

    with pytest.raises(Refused, match="loupe-test"):
        release.test()


def test_an_autoscaler_keeps_its_least_number_of_pods_and_pauses(space: Space) -> None:
    release = Installation(space, MAJORS[0])
    scaled = {"gateway": {"autoscaling": {"enabled": True, "minReplicas": 3}}}
    release.install(UNTIL_READY, **scaled)
    until(lambda: release.replicas()["loupe-gateway"] == 3, "the autoscaler starts three pods")

    release.upgrade("--force-conflicts", paused=True, **scaled)
    until(lambda: not space.get("Deployment", "loupe-gateway").get("status", {}).get("replicas"), "it pauses")
    release.upgrade(**scaled)

    until(lambda: release.replicas()["loupe-gateway"] == 3, "the autoscaler starts three pods again")


@of_each_helm
def test_a_scaler_decides_how_many_workers_there_are_and_helm_keeps_that(space: Space, major: int) -> None:
    """KEDA itself does not run here: `kubectl scale` changes the number as KEDA does."""
    release = Installation(space, major)
    keda = {"inference": {"keda": {"enabled": True, "minReplicas": 0, "maxReplicas": 2}}}
    release.install(UNTIL_READY, **keda)

    def scale(replicas: int) -> None:
        space.kubectl("scale", "deployment/loupe-inference", f"--replicas={replicas}")
        until(lambda: len(workers(space)) == replicas, f"there are {replicas} workers")

    scale(0)
    release.upgrade(UNTIL_READY, logLevel="DEBUG", **keda)
    after_upgrade = release.replicas()["loupe-inference"]
    scale(2)
    release.rollback(1, UNTIL_READY)
    after_rollback = release.replicas()["loupe-inference"]
    scale(0)

    assert (after_upgrade, after_rollback) == (0, 2)


def workers(space: Space) -> list[str]:
    """Return the names of the workers' pods that are not about to end."""
    pods = [one["metadata"] for one in space.of("Pod") if component(one) == "inference"]
    return [one["name"] for one in pods if "deletionTimestamp" not in one]
