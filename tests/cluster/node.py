"""Imitates a kubelet and a provisioner of volumes: pods become ready or end, and claims get volumes.

Nothing runs in these pods. Everything else is real: the scheduler binds the pods, and the controllers of
Deployments, StatefulSets, Jobs and disruptions act on what this node says about them.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.chart.api.controllers import Controllers
from tests.chart.objects import Object
from tests.cluster.connection import STRATEGIC, Connection, Refused

LOOK_SECONDS = 0.2
CANNOT_BE_USED = 75
"""The exit code with which a migration ends at once: see `podFailurePolicy` in the chart."""
STORAGE_CLASS = "imitated"
OURS = {"loupe.example/made-by": "tests"}


@dataclass
class Fates(Controllers):
    """The fate of the pods of a namespace."""

    is_starting: bool = True
    """Whether new pods start."""


@dataclass
class Node:
    """The node of this name, and the volumes of its cluster."""

    connection: Connection
    name: str
    fates: dict[str, Fates] = field(default_factory=dict[str, Fates])
    """The fates by namespace. In other namespaces everything starts and succeeds."""
    _addresses: int = 0

    def register(self, capacity: Mapping[str, str] | None = None, **spec: Any) -> None:
        """Create the node, ready and with room for everything."""
        path = f"/api/v1/nodes/{self.name}"
        body = {"metadata": {"name": self.name, "labels": OURS | {"kubernetes.io/hostname": self.name}}}
        self.connection.send("POST", "/api/v1/nodes", body | {"spec": spec})
        amounts = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "500"}
        amounts |= capacity or {}
        ready = {"type": "Ready", "status": "True", "reason": "Imitated", "message": "nothing runs here"}
        status = {"capacity": amounts, "allocatable": amounts, "conditions": [ready]}
        self.connection.send("PATCH", f"{path}/status", {"status": status}, STRATEGIC)

    def run(self, stopping: threading.Event) -> None:
        """Look after pods and claims until told to stop."""
        while not stopping.wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        pods = self.connection.get("/api/v1/pods", fieldSelector=f"spec.nodeName={self.name}")
        for pod in pods["items"]:
            self._try(self._settle, pod)
        self.look_after_claims()

    def look_after_claims(self) -> None:
        for claim in self.connection.get("/api/v1/persistentvolumeclaims")["items"]:
            self._try(self._provide, claim)
        for volume in self.connection.get("/api/v1/persistentvolumes")["items"]:
            self._try(self._reclaim, volume)

    @staticmethod
    def _try(action: Any, one: Object) -> None:
        """Do it, unless somebody else has changed or deleted the object in the meantime."""
        try:
            action(one)
        except Refused as error:
            if error.code not in (404, 409):
                raise

    def _settle(self, pod: Object) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        if "deletionTimestamp" in metadata:
            self.connection.send("DELETE", path, query={"gracePeriodSeconds": "0"})
            return
        fates = self.fates.get(metadata["namespace"]) or Fates()
        status = self._status(pod, fates) if pod["status"]["phase"] == "Pending" else None
        if status and status["phase"] != "Pending":
            self.connection.send("PATCH", f"{path}/status", {"status": status}, STRATEGIC)

    def _status(self, pod: Object, fates: Fates) -> Object | None:
        if not fates.is_starting or not fates.is_pullable(pod):
            return None
        if pod["spec"]["restartPolicy"] == "Always":
            return _status("Running", pod, {"running": {"startedAt": _now()}}, self._address())
        is_good = fates.ending(pod["metadata"].get("labels", {}).get("job-name", pod["metadata"]["name"]))
        if is_good is None:
            return None
        code = 0 if is_good else CANNOT_BE_USED
        ended = {"exitCode": code, "reason": "Completed" if is_good else "Error", "finishedAt": _now()}
        return _status("Succeeded" if is_good else "Failed", pod, {"terminated": ended}, self._address())

    def _address(self) -> str:
        self._addresses += 1
        return f"10.244.{self._addresses // 250 % 250}.{self._addresses % 250 + 1}"

    def path(self, claim: Object) -> str:
        """Return the folder for a claim. No pod runs that would use it."""
        return f"/nowhere/{claim['metadata']['name']}"

    def _provide(self, claim: Object) -> None:
        spec, metadata = claim["spec"], claim["metadata"]
        if spec.get("volumeName") or spec.get("storageClassName") != STORAGE_CLASS:
            return
        reference = {key: metadata[key] for key in ("name", "namespace", "uid")}
        volume = {
            "metadata": {"name": f"tests-{metadata['uid']}", "labels": OURS},
            "spec": {
                "capacity": spec["resources"]["requests"],
                "accessModes": spec["accessModes"],
                "hostPath": {"path": self.path(claim)},
                "storageClassName": STORAGE_CLASS,
                "claimRef": reference | {"apiVersion": "v1", "kind": "PersistentVolumeClaim"},
                "persistentVolumeReclaimPolicy": "Retain",
            },
        }
        self.connection.send("POST", "/api/v1/persistentvolumes", volume)

    def _reclaim(self, volume: Object) -> None:
        if (
            volume["status"].get("phase") == "Released"
            and OURS.items() <= volume["metadata"].get("labels", {}).items()
        ):
            self.connection.send("DELETE", f"/api/v1/persistentvolumes/{volume['metadata']['name']}")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _status(phase: str, pod: Object, state: Object, address: str) -> Object:
    is_running = phase == "Running"
    kinds = ("Initialized", "ContainersReady", "Ready")
    truth = {"Initialized": True} | dict.fromkeys(kinds[1:], is_running)
    containers = [
        {
            "name": one["name"],
            "image": one["image"],
            "imageID": one["image"],
            "restartCount": 0,
            "ready": is_running,
            "started": is_running,
            "state": state,
        }
        for one in pod["spec"]["containers"]
    ]
    return {
        "phase": phase,
        "startTime": _now(),
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [
            {"type": kind, "status": str(truth[kind]), "lastTransitionTime": _now()} for kind in kinds
        ],
        "containerStatuses": containers,
    }
