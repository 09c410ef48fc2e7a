"""Writes the status that a cluster would write: workloads become ready, and Jobs end."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.chart.objects import Object

NOW = "2026-01-01T00:00:00Z"


def succeeds(_job: str) -> bool | None:
    return True


@dataclass
class Controllers:
    """The fate of pods in this cluster."""

    ending: Callable[[str], bool | None] = succeeds
    """Whether the Job of this name succeeds; None: it never ends."""
    unpullable: set[str] = field(default_factory=set[str])
    """Registries whose images cannot be pulled."""
    looks: dict[str, int] = field(default_factory=dict[str, int])
    """How often somebody still reads these workloads before they become ready."""

    def settle(self, one: Object) -> None:
        """Write the defaults and the status of an object."""
        one["metadata"].setdefault("generation", 1)
        match one["kind"]:
            case "Deployment" | "StatefulSet" | "ReplicaSet":
                one["spec"].setdefault("replicas", 1)
                one["status"] = self._status(one)
            case "Job":
                one["status"] = self._end(one)
            case "Service":
                one["spec"].setdefault("clusterIP", "10.0.0.1")
            case "PersistentVolumeClaim":
                one["status"] = {"phase": "Bound"}
            case "Pod":
                one["status"] = {"phase": "Succeeded" if self.ending(one["metadata"]["name"]) else "Failed"}
            case _:
                pass

    def note_look(self, one: Object) -> bool:
        """Count that somebody reads an object. Return whether it becomes ready now."""
        name = one["metadata"]["name"]
        if one["kind"] != "StatefulSet" or not self.looks.get(name):
            return False
        self.looks[name] -= 1
        return not self.looks[name]

    def is_pullable(self, template: Object) -> bool:
        spec = template["spec"]
        images = [one["image"] for one in (*spec.get("initContainers", []), *spec["containers"])]
        return not any(image.startswith(registry) for image in images for registry in self.unpullable)

    def _status(self, one: Object) -> Object:
        replicas = one["spec"]["replicas"]
        is_early = bool(self.looks.get(one["metadata"]["name"]))
        ready = replicas if self.is_pullable(one["spec"]["template"]) and not is_early else 0
        counts = ("readyReplicas", "availableReplicas", "updatedReplicas", "currentReplicas")
        revision = {"currentRevision": "1", "updateRevision": "1"} if one["kind"] == "StatefulSet" else {}
        return {
            "observedGeneration": one["metadata"]["generation"],
            "replicas": replicas,
            **dict.fromkeys(counts, ready),
            **revision,
            "conditions": [
                {"type": "Available", "status": "True" if ready == replicas else "False"},
                {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
            ],
        }

    def _end(self, job: Object) -> Object:
        is_good = self.ending(job["metadata"]["name"]) if self.is_pullable(job["spec"]["template"]) else None
        if is_good is None:
            return {"startTime": NOW, "active": 1}
        kind = "Complete" if is_good else "Failed"
        return {
            "startTime": NOW,
            **({"succeeded": 1, "completionTime": NOW} if is_good else {"failed": 1}),
            "conditions": [{"type": kind, "status": "True", "reason": "BackoffLimitExceeded"}],
        }


def replica_set(deployment: Object) -> Object:
    """Return the ReplicaSet that belongs to the template of a Deployment. Helm 3 waits for its pods."""
    template = json.loads(json.dumps(deployment["spec"]["template"]))
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
    template["metadata"]["labels"]["pod-template-hash"] = digest
    metadata = deployment["metadata"]
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": template["metadata"]["labels"],
            "ownerReferences": [owner | {"controller": True}],
        },
        "spec": {
            "replicas": deployment["spec"]["replicas"],
            "selector": {"matchLabels": template["metadata"]["labels"]},
            "template": template,
        },
    }
