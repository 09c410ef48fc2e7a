"""The kinds that this API serves, and its answers to clients that ask which there are."""

from typing import NamedTuple

from tests.chart.objects import Object


class Kind(NamedTuple):
    version: str
    """The version with its group, such as `apps/v1`, or `v1`."""
    name: str
    is_namespaced: bool = True

    @property
    def plural(self) -> str:
        name = self.name.lower()
        return f"{name[:-1]}ies" if name.endswith("cy") else f"{name}es" if name.endswith("s") else f"{name}s"

    @property
    def root(self) -> str:
        return f"/apis/{self.version}" if "/" in self.version else f"/api/{self.version}"


KINDS = (
    *(
        Kind("v1", name)
        for name in ("ConfigMap", "Secret", "Service", "ServiceAccount", "Pod", "PersistentVolumeClaim")
    ),
    Kind("v1", "Namespace", is_namespaced=False),
    *(Kind("apps/v1", name) for name in ("Deployment", "StatefulSet", "ReplicaSet")),
    *(Kind("batch/v1", name) for name in ("Job", "CronJob")),
    *(Kind("networking.k8s.io/v1", name) for name in ("NetworkPolicy", "Ingress")),
    *(Kind("gateway.networking.k8s.io/v1", name) for name in ("Gateway", "HTTPRoute")),
    *(Kind("monitoring.coreos.com/v1", name) for name in ("ServiceMonitor", "PrometheusRule")),
    Kind("policy/v1", "PodDisruptionBudget"),
    Kind("autoscaling/v2", "HorizontalPodAutoscaler"),
    Kind("keda.sh/v1alpha1", "ScaledObject"),
    Kind("cert-manager.io/v1", "Certificate"),
    Kind("scheduling.k8s.io/v1", "PriorityClass", is_namespaced=False),
)
CUSTOM = ("monitoring.coreos.com", "keda.sh", "cert-manager.io", "gateway.networking.k8s.io")
"""Groups whose kinds have no strategic merge."""
VERBS = ["get", "list", "watch", "create", "update", "patch", "delete"]


def discovery() -> dict[str, Object]:
    """Return the answers by path."""
    versions = sorted({kind.version for kind in KINDS})
    groups = [_group(version) for version in versions if "/" in version]
    answers: dict[str, Object] = {
        "/version": {"major": "1", "minor": "37", "gitVersion": "v1.37.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups},
    }
    for version in versions:
        served = [kind for kind in KINDS if kind.version == version]
        answers[served[0].root] = {
            "kind": "APIResourceList",
            "groupVersion": version,
            "resources": [
                {
                    "name": kind.plural,
                    "singularName": kind.name.lower(),
                    "namespaced": kind.is_namespaced,
                    "kind": kind.name,
                    "verbs": VERBS,
                }
                for kind in served
            ],
        }
    return answers


def _group(version: str) -> Object:
    name, _, number = version.partition("/")
    served = {"groupVersion": version, "version": number}
    return {"name": name, "versions": [served], "preferredVersion": served}
