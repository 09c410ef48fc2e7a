"""Only one scaler sets the number of pods, and a disruption leaves some of them."""

from collections import Counter
from collections.abc import Iterator

from tests.chart.objects import Object, Release, called

SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")


def scalers_have_a_target(release: Release) -> Iterator[str]:
    for scaler in release.of(*SCALERS):
        if _target(release, scaler) is None:
            reference = scaler["spec"]["scaleTargetRef"]
            yield f"{called(scaler)}: there is no {reference.get('kind', 'Deployment')} {reference['name']}"


def scaled_workloads_set_no_replicas(release: Release) -> Iterator[str]:
    """Otherwise each upgrade would reset the number."""
    for scaler in release.of(*SCALERS):
        target = _target(release, scaler)
        if target is not None and "replicas" in target["spec"]:
            yield f"{called(target)}: it sets replicas, but {called(scaler)} scales it"


def other_workloads_set_replicas(release: Release) -> Iterator[str]:
    scaled = [called(target) for one in release.of(*SCALERS) if (target := _target(release, one))]
    for one in release.of("Deployment", "StatefulSet"):
        if called(one) not in scaled and "replicas" not in one["spec"]:
            yield f"{called(one)}: neither replicas nor a scaler"


def a_target_has_one_scaler(release: Release) -> Iterator[str]:
    counted = Counter(
        called(target) for scaler in release.of(*SCALERS) if (target := _target(release, scaler))
    )
    yield from (f"{name}: {times} scalers decide about it" for name, times in counted.items() if times > 1)


def scalers_have_a_range(release: Release) -> Iterator[str]:
    for scaler in release.of(*SCALERS):
        spec = scaler["spec"]
        least = spec.get("minReplicas", spec.get("minReplicaCount", 1))
        most = spec.get("maxReplicas", spec.get("maxReplicaCount", 100))
        if least > most:
            yield f"{called(scaler)}: at least {least} and at most {most}"


def scaled_containers_request_the_resource(release: Release) -> Iterator[str]:
    """Utilisation is relative to the request: without a request the scaler does nothing."""
    for scaler in release.of("HorizontalPodAutoscaler"):
        target = _target(release, scaler)
        for metric in scaler["spec"].get("metrics", []) if target else []:
            resource = metric.get("resource") or metric.get("containerResource") or {}
            for container in target["spec"]["template"]["spec"]["containers"] if target and resource else []:
                is_meant = resource.get("container", container["name"]) == container["name"]
                if is_meant and resource["name"] not in container.get("resources", {}).get("requests", {}):
                    yield f"{called(scaler)}: {container['name']} requests no {resource['name']}"


def budgets_select_pods(release: Release) -> Iterator[str]:
    for budget in release.of("PodDisruptionBudget"):
        if not release.selected(budget["spec"]["selector"]):
            yield f"{called(budget)}: it selects no pods"


def budgets_let_nodes_drain(release: Release) -> Iterator[str]:
    """A budget that allows no disruption blocks every upgrade of the cluster."""
    for budget in release.of("PodDisruptionBudget"):
        for pod in release.selected(budget["spec"]["selector"]):
            replicas = _fewest(release, pod.owner)
            least, most = budget["spec"].get("minAvailable"), budget["spec"].get("maxUnavailable")
            if most in (0, "0%") or least == "100%" or (isinstance(least, int) and least >= replicas):
                yield f"{called(budget)}: none of the {replicas} pods of {pod} may be evicted"


def _fewest(release: Release, owner: Object) -> int:
    for scaler in release.of(*SCALERS):
        if _target(release, scaler) is owner:
            return scaler["spec"].get("minReplicas", scaler["spec"].get("minReplicaCount", 1))
    return owner["spec"].get("replicas", 1)


def _target(release: Release, scaler: Object) -> Object | None:
    reference = scaler["spec"]["scaleTargetRef"]
    return release.find(reference.get("kind", "Deployment"), reference["name"])


CHECKS = (
    scalers_have_a_target,
    scaled_workloads_set_no_replicas,
    other_workloads_set_replicas,
    a_target_has_one_scaler,
    scalers_have_a_range,
    scaled_containers_request_the_resource,
    budgets_select_pods,
    budgets_let_nodes_drain,
)
