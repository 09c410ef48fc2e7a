"""The real scheduler places workers on nodes with GPUs, and only there."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.chart.helm import MAJORS, values_of
from tests.chart.installation import Installation
from tests.chart.objects import Object
from tests.cluster.node import Node
from tests.cluster.space import Space
from tests.cluster.waiting import until

GPU = "nvidia.com/gpu"
PRODUCT = "nvidia.com/gpu.product=NVIDIA-L4"


@pytest.fixture
def runtime_class(space: Space) -> Generator[None]:
    """The class that NVIDIA's operator creates."""
    path = "/apis/node.k8s.io/v1/runtimeclasses"
    body = {"metadata": {"name": "nvidia"}, "handler": "nvidia"}
    space.connection.send("POST", path, body)
    yield
    space.connection.send("DELETE", f"{path}/nvidia")


@contextmanager
def node_with_a_gpu(imitated: Node) -> Generator[str]:
    """Add a node with one GPU, which is reserved for pods that ask for it."""
    node = Node(imitated.connection, "with-gpu", imitated.fates)
    node.register({GPU: "1"}, taints=[{"key": GPU, "value": "present", "effect": "NoSchedule"}])
    node.connection.kubectl("label", "node", node.name, PRODUCT)
    try:
        yield node.name
    finally:
        node.connection.send("DELETE", f"/api/v1/nodes/{node.name}")


def worker(space: Space) -> Object | None:
    pods = space.of("Pod")
    return next((one for one in pods if one["metadata"]["name"].startswith("loupe-inference-")), None)


def place(space: Space) -> str:
    return (worker(space) or {"spec": {}})["spec"].get("nodeName", "")


def unscheduled(space: Space) -> str:
    conditions: list[Any] = (worker(space) or {"status": {}})["status"].get("conditions", [])
    return next((one.get("message", "") for one in conditions if one["type"] == "PodScheduled"), "")


@pytest.mark.usefixtures("runtime_class")
def test_a_worker_waits_for_a_node_with_a_gpu_and_then_runs_there(space: Space, imitated: Node) -> None:
    Installation(space, MAJORS[0]).install(*values_of("gpu"), inference={"engines": {"persistent": False}})
    reason = until(lambda: unscheduled(space), "the scheduler has looked for a node")
    before = place(space)

    with node_with_a_gpu(imitated) as node:
        after = until(lambda: place(space), "the worker has a node")

    assert before == ""
    assert "didn't match Pod's node affinity/selector" in reason
    assert after == node
