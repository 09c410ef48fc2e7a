"""The cluster of a session: the one that KUBECONFIG names, or a control plane of our own."""

import itertools
import os
import threading
from collections.abc import Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chart.api.controllers import Controllers
from tests.chart.installation import Installation, Installer
from tests.chart.objects import Object
from tests.cluster.connection import Connection, connection
from tests.cluster.control_plane import BUILT, control_plane
from tests.cluster.node import STORAGE_CLASS, Fates, Node
from tests.cluster.running import Live, live_in
from tests.cluster.space import Space

NUMBERS = itertools.count(1)
"""Numbers of namespaces. Kubernetes takes seconds to delete one, so each test has its own."""


@dataclass
class Cluster:
    """A cluster, with the imitated node if it is ours."""

    connection: Connection
    node: Node | None

    def space(self) -> AbstractContextManager[Space]:
        return _space(self)


@contextmanager
def _space(cluster: Cluster) -> Generator[Space]:
    """Yield a new namespace."""
    space = Space(cluster.connection, f"loupe-{os.getpid()}-{next(NUMBERS)}", Fates())
    if cluster.node:
        cluster.node.fates[space.namespace] = space.controllers
    space.create()
    try:
        yield space
    finally:
        space.controllers.is_starting = True
        space.delete()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    with ExitStack() as exits:
        if given := os.environ.get("KUBECONFIG"):
            yield Cluster(exits.enter_context(connection(Path(given))), None)
            return
        folder = tmp_path_factory.mktemp("control-plane")
        connected = exits.enter_context(connection(exits.enter_context(control_plane(folder))))
        prepare(connected)
        yield Cluster(connected, exits.enter_context(running_node(connected)))


def prepare(connected: Connection) -> None:
    """Create what a provider's cluster has: a default StorageClass, and definitions of custom resources."""
    storage = {
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "loupe.example/imitated",
        "allowVolumeExpansion": True,
    }
    connected.send("POST", "/apis/storage.k8s.io/v1/storageclasses", storage)
    connected.kubectl("apply", "--server-side", f"--filename={BUILT / 'crds'}")
    connected.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")


@contextmanager
def running_node(connected: Connection) -> Generator[Node]:
    """Yield the imitated node of the cluster."""
    node, stopping = Node(connected, "imitated"), threading.Event()
    node.register()
    thread = threading.Thread(target=node.run, args=(stopping,))
    thread.start()
    try:
        yield node
    finally:
        stopping.set()
        thread.join()


@pytest.fixture
def space(cluster: Cluster) -> Generator[Space]:
    with cluster.space() as space:
        yield space


@pytest.fixture
def imitated(cluster: Cluster) -> Node:
    """The imitated node. Tests that decide the fate of pods need it."""
    if cluster.node is None:
        pytest.skip("the fate of pods is decided only on the cluster that the tests make")
    return cluster.node


@pytest.fixture(scope="session")
def live(cluster: Cluster) -> Generator[Live]:
    """A release whose pods run, which all tests of a session share."""
    nodes = cluster.connection.get("/api/v1/nodes")["items"]
    if not any(one["status"].get("nodeInfo", {}).get("kubeletVersion") for one in nodes):
        pytest.skip("no kubelet runs pods in this cluster")
    with cluster.space() as space, cluster.space() as outside, live_in(space, outside) as release:
        yield release


@pytest.fixture
def installation_on_cluster(cluster: Cluster, imitated: Node) -> Installer:
    """Return what `tests.chart.installation.installation` is, on this cluster."""

    @contextmanager
    def installed(
        major: int, *objects: Object, controllers: Controllers | None = None
    ) -> Generator[Installation]:
        with cluster.space() as space:
            if controllers:
                space.controllers.ending = controllers.ending
                space.controllers.unpullable = controllers.unpullable
            space.put(*objects)
            yield Installation(space, major)

    return installed
