"""Starts a control plane and a real node, and runs a command with KUBECONFIG. `enter` calls it."""

import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cluster.connection import Connection, connection
from tests.cluster.control_plane import BUILT, component, control_plane
from tests.cluster.fixtures import prepare
from tests.cluster.machine import configuration
from tests.cluster.machine.configuration import ADDRESS, CGROUPS, DEBIAN, RUN, SOCKET
from tests.cluster.machine.volumes import Volumes
from tests.cluster.waiting import until

NAME = "machine"
START_SECONDS = 300.0
CPU_SHARES = "10240"
"""Ten times what one process has."""


def main(command: list[str]) -> int:
    RUN.mkdir()
    for each in Path("/sys/fs/cgroup").glob("*/cgroup.procs"):
        group = each.parent / CGROUPS.lstrip("/")
        group.mkdir(exist_ok=True)
        # beside a busy machine's processes all pods together would count as one of them
        if (shares := group / "cpu.shares").exists():
            shares.write_text(CPU_SHARES)
    with ExitStack() as exits:
        kubeconfig = exits.enter_context(control_plane(RUN))
        connected = exits.enter_context(connection(kubeconfig))
        prepare(connected)
        configuration.write(kubeconfig)
        exits.enter_context(containers())
        exits.enter_context(node(kubeconfig))
        exits.enter_context(volumes(connected))
        until(lambda: " Ready" in connected.kubectl("get", "nodes"), "the node is ready", START_SECONDS)
        values = os.environ.get("LOUPE_CLUSTER_VALUES") or str(Path(__file__).with_name("values.yaml"))
        environment = os.environ | {"KUBECONFIG": str(kubeconfig), "LOUPE_CLUSTER_VALUES": values}
        environment["LOUPE_CLUSTER_POLICIES"] = "enforced"
        return subprocess.run(command, env=environment, check=False).returncode


@contextmanager
def containers() -> Generator[None]:
    """Run containerd, with the images."""
    with component(RUN, DEBIAN / "bin" / "containerd", ["--config", str(RUN / "containerd.toml")]):
        ctr = [str(DEBIAN / "bin" / "ctr"), "--address", str(SOCKET), "--namespace", "k8s.io"]

        def answers() -> bool:
            return subprocess.run([*ctr, "version"], capture_output=True, check=False).returncode == 0

        until(answers, "containerd answers")
        for name in ("pause.tar", "images.tar"):
            subprocess.run([*ctr, "images", "import", str(BUILT / name)], check=True, capture_output=True)
        yield


@contextmanager
def node(kubeconfig: Path) -> Generator[None]:
    """Run the programs of a node."""
    named = [f"--kubeconfig={kubeconfig}", f"--hostname-override={NAME}"]
    arguments = {
        "kubelet": [
            *named,
            f"--config={RUN / 'kubelet.json'}",
            f"--root-dir={RUN / 'kubelet'}",
            f"--node-ip={ADDRESS}",
        ],
        "kube-proxy": [
            *named,
            "--proxy-mode=nftables",
            "--cluster-cidr=10.244.0.0/16",
            "--conntrack-max-per-core=0",
            "--healthz-bind-address=127.0.0.1:10256",
            "--metrics-bind-address=127.0.0.1:10249",
        ],
        "coredns": ["-conf", str(RUN / "Corefile")],
        # enforces NetworkPolicies, as in k3s
        "kube-router": [
            *named,
            "--run-router=false",
            "--run-firewall=true",
            "--run-service-proxy=false",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--health-port=0",
        ],
    }
    with ExitStack() as exits:
        for name, each in arguments.items():
            exits.enter_context(component(RUN, BUILT / "bin" / name, each))
        yield


@contextmanager
def volumes(connected: Connection) -> Generator[None]:
    provider, stopping = Volumes(connected, NAME, folder=BUILT / "volumes"), threading.Event()
    thread = threading.Thread(target=provider.run, args=(stopping,))
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
