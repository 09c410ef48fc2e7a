"""Writes the configuration files of the programs of the node."""

import json
from pathlib import Path

from tests.cluster.control_plane import BUILT

ADDRESS = "192.0.2.1"
"""The node's address in its own network. `enter` adds it."""
RUN = Path("/run/loupe")
SOCKET = RUN / "containerd.sock"
CGROUPS = "/loupe-tests"
DEBIAN = BUILT / "debian" / "usr"
PAUSE = "docker.io/library/pause:tests"

# restrict_oom_score_adj: on some machines root lacks CAP_SYS_RESOURCE
CONTAINERD = f"""
version = 2
root = "{BUILT / "containerd"}"
state = "{RUN / "containerd"}"
oom_score = 0
[grpc]
  address = "{SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{DEBIAN / "lib" / "cni"}"
    conf_dir = "{RUN / "cni"}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{DEBIAN / "sbin" / "runc"}"
        SystemdCgroup = false
"""

ADDRESSES = {
    "type": "host-local",
    "dataDir": str(RUN / "addresses"),
    "ranges": [[{"subnet": "10.244.0.0/16"}]],
    "routes": [{"dst": "0.0.0.0/0"}],
}
BRIDGE = {
    "type": "bridge",
    "bridge": "cni0",
    "isGateway": True,
    "ipMasq": False,
    "hairpinMode": True,
    "ipam": ADDRESSES,
}
NETWORK = {"cniVersion": "0.4.0", "name": "tests", "plugins": [BRIDGE]}

KUBELET = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "failCgroupV1": False,
    "cgroupDriver": "cgroupfs",
    "cgroupRoot": CGROUPS,
    "oomScoreAdj": 0,
    "containerRuntimeEndpoint": f"unix://{SOCKET}",
    "address": ADDRESS,
    "healthzBindAddress": "127.0.0.1",
    # only processes in the same namespaces reach it
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    "failSwapOn": False,
    "clusterDomain": "cluster.local",
    "clusterDNS": [ADDRESS],
    "resolvConf": str(RUN / "resolv.conf"),
    "evictionHard": {"memory.available": "100Mi"},
    "imageGCHighThresholdPercent": 100,
    "imageGCLowThresholdPercent": 99,
    "maxOpenFiles": 20000,
    "enforceNodeAllocatable": [],
    "makeIPTablesUtilChains": False,
}


def write(kubeconfig: Path) -> None:
    """Write the files, before the node's programs start."""
    source = f"kubernetes cluster.local {{\n kubeconfig {kubeconfig}\n}}"
    (RUN / "cni").mkdir(parents=True)
    (RUN / "cni" / "tests.conflist").write_text(json.dumps(NETWORK))
    (RUN / "containerd.toml").write_text(CONTAINERD)
    (RUN / "kubelet.json").write_text(json.dumps(KUBELET))
    (RUN / "Corefile").write_text(f".:53 {{\n bind {ADDRESS}\n errors\n {source}\n}}\n")
    (RUN / "resolv.conf").write_text("")
