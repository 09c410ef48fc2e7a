"""A release whose pods run, and what an operator and a client do with it."""

import re
import secrets
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.chart.helm import MAJORS
from tests.chart.installation import UNTIL_READY, Installation
from tests.cluster.connection import kubectl
from tests.cluster.space import Space
from tests.cluster.visitor import PORT, Visitor

SERVICES = ("gateway", "auth", "images", "billing", "inference", "outbound")
NAMESPACE_NAME = "kubernetes.io/metadata.name"
COMPONENT = "app.kubernetes.io/component"


def values_with(visitor: Visitor) -> dict[str, Any]:
    """Return values with which webhooks may go to the visitor: `outbound` refuses private addresses."""
    peers = [{"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: visitor.space.namespace}}}]
    settings = {"allow": visitor.webhooks, "allow_http": "true", "ports": f"443,8443,{PORT}"}
    egress = [{"to": peers, "ports": [{"port": PORT}]}]
    return {
        "operator": {"enabled": True},
        "outbound": {"settings": settings, "extraEgress": egress},
    }


@contextmanager
def forwarded(space: Space, service: str, local: str, port: int) -> Generator[int]:
    """Forward a port of this machine, or any if `local` is empty, to a Service. Yield the port."""
    where = ("--kubeconfig", str(space.connection.kubeconfig), "--namespace", space.namespace)
    command = [kubectl(), *where, "port-forward", f"service/{service}", f"{local}:{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forward:
        assert forward.stdout
        try:
            line = forward.stdout.readline()
            found = re.search(r":(\d+) ->", line)
            assert found, line
            yield int(found[1])
        finally:
            forward.terminate()


@dataclass(frozen=True)
class Live:
    """A release, and a visitor in another namespace."""

    space: Space
    installation: Installation
    visitor: Visitor

    @property
    def values(self) -> dict[str, Any]:
        return values_with(self.visitor)

    @property
    def address(self) -> str:
        """The URL of the API inside the cluster."""
        return f"http://loupe-gateway.{self.space.namespace}.svc"

    def install(self, **values: Any) -> None:
        self.installation.install(UNTIL_READY, **self.values | values)

    def upgrade(self, **values: Any) -> None:
        self.installation.upgrade(UNTIL_READY, **self.values | values)

    def admin(self, *argv: str) -> str:
        return self.space.kubectl("exec", "deploy/loupe-operator", "--", "loupe-admin", *argv)

    def pods(self, component: str) -> list[str]:
        """Return the names of the component's pods that are not about to end."""
        pods = [one for one in self.space.of("Pod") if one["metadata"]["labels"].get(COMPONENT) == component]
        return [one["metadata"]["name"] for one in pods if "deletionTimestamp" not in one["metadata"]]

    def wait(self, *services: str) -> None:
        """Wait until all pods of these services run and are ready."""
        for each in services or SERVICES:
            self.space.kubectl("rollout", "status", f"deployment/loupe-{each}", "--timeout=600s")

    def settle(self) -> None:
        """Wait until everything runs and is ready again."""
        self.space.settle()
        self.wait()

    def register(self, api: str, plan: str = "enterprise") -> str:
        """Register a user with this plan, and return a token."""
        password = f"Aa1-{secrets.token_hex(12)}"
        address = f"{secrets.token_hex(6)}@example.com"
        user = {"name": "Jane", "email": address, "password": password, "password_confirmation": password}
        answer = httpx2.post(f"{api}/api/auth/register", json=user, timeout=60)
        assert answer.status_code == 201, answer.text
        self.admin("plan", "set", address, plan)
        return answer.json()["data"]["token"]

    @asynccontextmanager
    async def client(self, token: str = "") -> AsyncGenerator[httpx2.AsyncClient]:
        """Yield a client of the API through `kubectl port-forward`, as the user of the token or a new one."""
        with forwarded(self.space, "loupe-gateway", "", 80) as port:
            api = f"http://127.0.0.1:{port}"
            headers = {"Authorization": f"Bearer {token or self.register(api)}"}
            async with httpx2.AsyncClient(base_url=api, headers=headers, timeout=60) as client:
                yield client


@contextmanager
def live_in(space: Space, outside: Space) -> Generator[Live]:
    """Install a release, and start the visitor in another namespace."""
    release = Live(space, Installation(space, MAJORS[-1]), Visitor(outside))
    release.install()
    images = space.get("Deployment", "loupe-images")["spec"]["template"]["spec"]["containers"][0]["image"]
    release.visitor.start(images)
    yield release
