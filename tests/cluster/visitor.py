"""A pod of another namespace: a client in the cluster, and a stranger to the policies of the release."""

import json
import subprocess
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chart.objects import Object
from tests.cluster.connection import kubectl
from tests.cluster.space import Space

SCRIPTS = Path(__file__).parent / "scripts"
NAME = "visitor"
PORT = 8080
Address = tuple[str, str, int]
"""A name for the test, a host and a port."""
RESTRICTED: Object = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
NOBODY: Object = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}


def pod(name: str, labels: dict[str, str], **container: Any) -> Object:
    """Return a pod that a namespace with restricted pods admits."""
    given = {"name": name, "imagePullPolicy": "IfNotPresent", "securityContext": RESTRICTED} | container
    scratch = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108  a folder of the pod
    spec = {
        "securityContext": NOBODY,
        "automountServiceAccountToken": False,
        "containers": [given | {"volumeMounts": [scratch]}],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def service(name: str, port: int) -> Object:
    """Return the Service of a pod that has its name as the label `app`."""
    spec = {"selector": {"app": name}, "ports": [{"port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


@dataclass(frozen=True)
class Visitor:
    space: Space

    @property
    def webhooks(self) -> str:
        """The origin at which it receives webhooks."""
        return f"http://{NAME}.{self.space.namespace}.svc:{PORT}"

    @property
    def received(self) -> str:
        """The bodies of the webhooks that it has received, one on each line."""
        return self.space.kubectl("logs", NAME)

    def start(self, image: str) -> None:
        script = (SCRIPTS / "receive.py").read_text()
        self.space.put(pod(NAME, {"app": NAME}, image=image, command=["python", "-c", script]))
        self.space.put(service(NAME, PORT))
        self.space.kubectl("wait", "pod", NAME, "--for=condition=Ready", "--timeout=300s")

    @contextmanager
    def load(self, *arguments: str) -> Generator[dict[str, Any]]:
        """Run the script `load.py` until the block ends, and then fill the dictionary with what it prints."""
        where = ("--kubeconfig", str(self.space.connection.kubeconfig), "--namespace", self.space.namespace)
        inside = ("exec", "-i", NAME, "--", "python", "-c", (SCRIPTS / "load.py").read_text(), *arguments)
        outcome: dict[str, Any] = {}
        with subprocess.Popen(
            [kubectl(), *where, *inside], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as running:
            try:
                yield outcome
                outcome |= json.loads(running.communicate(timeout=180)[0])
            finally:
                running.terminate()


def connections(space: Space, workload: str, addresses: Iterable[Address]) -> set[Address]:
    """Return those of the addresses that accept a connection from this pod or workload."""
    wanted: Sequence[Address] = sorted(set(addresses))
    script = (SCRIPTS / "connect.py").read_text()
    printed = space.kubectl("exec", workload, "--", "python", "-c", script, json.dumps(wanted))
    return {(name, host, port) for name, host, port in json.loads(printed)}
