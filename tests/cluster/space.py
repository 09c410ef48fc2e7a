"""A namespace of a real cluster, with the same commands as the cluster in memory (`tests.chart.api`)."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.chart.api.kinds import KINDS, Kind
from tests.chart.objects import Object
from tests.cluster.connection import MERGE, Connection, Refused
from tests.cluster.node import Fates
from tests.cluster.waiting import until

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass
class Space:
    """A namespace in which the restricted pod security standard is enforced."""

    connection: Connection
    namespace: str
    controllers: Fates

    @property
    def where(self) -> tuple[str, ...]:
        """The flags of Helm that name the cluster and the namespace."""
        return ("--kubeconfig", str(self.connection.kubeconfig), "--namespace", self.namespace)

    @property
    def applying(self) -> tuple[str, ...]:
        """The flags of Helm for a real cluster: values that name its images, and time to pull them."""
        values = os.environ.get("LOUPE_CLUSTER_VALUES")
        return ("--timeout", "15m", *(("--values", values) if values else ()))

    def create(self, labels: dict[str, str] = RESTRICTED) -> None:
        metadata = {"name": self.namespace, "labels": labels}
        self.connection.send("POST", "/api/v1/namespaces", {"metadata": metadata})

    def delete(self) -> None:
        """Start to delete everything. Kubernetes goes on with it by itself."""
        self.connection.send("DELETE", f"/api/v1/namespaces/{self.namespace}")

    def settle(self) -> None:
        """Wait until the stores are ready. An upgrade before that has no hooks that use them."""
        until(lambda: all(_is_ready(one) for one in self.of("StatefulSet")), "the stores are ready", 300)

    def kubectl(self, *argv: str, stdin: str | None = None) -> str:
        return self.connection.kubectl("--namespace", self.namespace, *argv, stdin=stdin)

    def find(self, kind: str, name: str) -> Object | None:
        try:
            return self.get(kind, name)
        except Refused as error:
            if error.code != 404:
                raise
            return None

    def get(self, kind: str, name: str) -> Object:
        return self.connection.get(self._path(kind, name))

    def of(self, kind: str) -> list[Object]:
        return [one | {"kind": kind} for one in self.connection.get(self._path(kind))["items"]]

    def put(self, *objects: Object, manager: str = "kubectl") -> None:
        """Store objects, as somebody else than Helm would."""
        for one in objects:
            kind, name = one["kind"], one["metadata"]["name"]
            there = self.find(kind, name)
            path = self._path(kind, name if there else "")
            self.connection.send("PUT" if there else "POST", path, one, query={"fieldManager": manager})

    def make_secret(self, name: str, values: Mapping[str, str]) -> None:
        literals = (f"--from-literal={key}={value}" for key, value in values.items())
        self.kubectl("create", "secret", "generic", name, *literals)

    def patch_secret(self, name: str, values: Mapping[str, str]) -> None:
        """Change these values of a Secret, as docs/operations.md says."""
        patch = json.dumps({"stringData": dict(values)})
        self.kubectl("patch", "secret", name, "--type=merge", "--patch", patch)

    def remove(self, kind: str, name: str) -> None:
        self.connection.send("DELETE", self._path(kind, name))

    def change(self, kind: str, name: str, manager: str = "kubectl", **spec: Any) -> None:
        """Change fields of a spec, as `kubectl scale` or an autoscaler would."""
        query = {"fieldManager": manager}
        self.connection.send("PATCH", self._path(kind, name), {"spec": spec}, MERGE, query=query)

    def everything(self) -> set[tuple[str, str]]:
        """Return kind and name of all objects in the namespace, except events."""
        names = self.kubectl("api-resources", "--namespaced", "--verbs=list", "--output=name").split()
        kinds = ",".join(name for name in names if not name.startswith("events"))
        form = '--output=jsonpath={range .items[*]}{.kind} {.metadata.name}{"\\n"}{end}'
        lines = self.kubectl("get", kinds, form).splitlines()
        return {(kind, name) for kind, _, name in (line.partition(" ") for line in lines)}

    def _path(self, kind: str, name: str = "") -> str:
        known = next((one for one in KINDS if one.name == kind), Kind("v1", kind))
        path = f"{known.root}/namespaces/{self.namespace}/{known.plural}"
        return f"{path}/{quote(name)}" if name else path


def _is_ready(store: Object) -> bool:
    return store.get("status", {}).get("readyReplicas", 0) == store["spec"]["replicas"]
