"""Starts a control plane of Kubernetes on the loopback: etcd, API server, controllers and scheduler.

`tests/cluster/kubernetes/build` has built the programs. No kubelet runs: `node` imitates one.
"""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from loupe_local import child
from loupe_local.ports import HOST, allocate
from tests.certificates import Authority

BUILT = Path(__file__).parents[2] / ".loupe" / "cluster"
START_SECONDS = 120.0
STOP_SECONDS = 30.0
PROBE_SECONDS = 0.2
HEALTH = {"etcd": ("http", "health"), "kube-apiserver": ("https", "readyz")}
"""Scheme and path at which a component says whether it is ready, if not `healthz` by HTTPS."""
SECURE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
PORTS = ("etcd", "peers", *SECURE)


class DidNotStart(Exception):
    """A component ended, or was not ready in time. The message names its log."""


@dataclass(frozen=True)
class Files:
    """The files of a control plane, with its secrets."""

    folder: Path
    ports: Mapping[str, int]
    token: str

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def address(self) -> str:
        return f"https://{HOST}:{self.ports['kube-apiserver']}"

    def write(self) -> None:
        authority = Authority(self.folder)
        for name in SECURE:
            authority.sign(name, address=HOST)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / "accounts.key").write_bytes(pem)
        (self.folder / "tokens.csv").write_text(f"{self.token},admin,admin,system:masters\n")
        self.kubeconfig.write_text(yaml.safe_dump(self._kubeconfig()))

    def _kubeconfig(self) -> dict[str, object]:
        cluster = {"server": self.address, "certificate-authority": str(self.folder / "authority.crt")}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": self.token}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
            "current-context": "tests",
        }


@contextmanager
def control_plane(folder: Path) -> Generator[Path]:
    """Yield the kubeconfig of an empty cluster. Raise `DidNotStart`."""
    files = Files(folder, allocate(PORTS, {}), secrets.token_hex(16))
    files.write()
    with ExitStack() as running:
        for name, arguments in _components(files).items():
            process = running.enter_context(component(files.folder, BUILT / "bin" / name, arguments))
            _wait(process, files, name)
        yield files.kubeconfig


def _components(files: Files) -> dict[str, list[str]]:
    folder, ports = files.folder, files.ports
    etcd, peers = (f"http://{HOST}:{ports[name]}" for name in ("etcd", "peers"))
    secure = {
        name: [
            f"--bind-address={HOST}",
            f"--secure-port={ports[name]}",
            f"--tls-cert-file={folder / name}.crt",
            f"--tls-private-key-file={folder / name}.key",
        ]
        for name in SECURE
    }
    client = [f"--kubeconfig={files.kubeconfig}", "--leader-elect=false"]
    return {
        "etcd": [
            f"--data-dir={folder / 'etcd'}",
            "--unsafe-no-fsync",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
        ],
        "kube-apiserver": [
            *secure["kube-apiserver"],
            f"--etcd-servers={etcd}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            f"--service-account-key-file={folder / 'accounts.key'}",
            f"--service-account-signing-key-file={folder / 'accounts.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            "--kubelet-preferred-address-types=InternalIP",
            # an address of the loopback is no valid endpoint of the Service `kubernetes`
            "--endpoint-reconciler-type=none",
        ],
        "kube-controller-manager": [
            *secure["kube-controller-manager"],
            *client,
            f"--service-account-private-key-file={folder / 'accounts.key'}",
            f"--root-ca-file={folder / 'authority.crt'}",
            # nodes of tests send no heartbeats
            "--node-monitor-grace-period=24h",
        ],
        "kube-scheduler": [*secure["kube-scheduler"], *client],
    }


@contextmanager
def component(folder: Path, program: Path, arguments: list[str]) -> Generator[subprocess.Popen[bytes]]:
    """Run a program until the block ends. It ends with us too, and logs to the folder."""
    starter = [sys.executable, child.__file__, str(os.getpid()), "own", str(folder)]
    command = [*starter, str(program), *arguments]
    with (folder / f"{program.name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], files: Files, name: str) -> None:
    """Wait until the component says that it is ready."""
    deadline = time.monotonic() + START_SECONDS
    scheme, path = HEALTH.get(name, ("https", "healthz"))
    url = f"{scheme}://{HOST}:{files.ports[name]}/{path}"
    session = requests.Session()
    session.trust_env = False
    while process.poll() is None and time.monotonic() < deadline:
        try:
            headers = {"Authorization": f"Bearer {files.token}"}
            if session.get(url, headers=headers, verify=str(files.folder / "authority.crt"), timeout=5).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(PROBE_SECONDS)
    raise DidNotStart(f"{name} did not become ready; see {files.folder / f'{name}.log'}")
