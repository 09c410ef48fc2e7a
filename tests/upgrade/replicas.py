"""Replicas of both releases beside each other, on the stores of one running stack.

Each service has two addresses, one for each release. All clients know both, and use those that answer.
"""

import socket
import sys
from dataclasses import replace

from loupe_local import nats_server, object_store, triton
from loupe_local.ports import HOST
from loupe_local.probes import http_ok
from loupe_local.service_names import NAMES
from loupe_local.stack import Stack
from tests.upgrade.release_before import ReleaseBefore

OLD, NEW = "old", "new"
TARGETS = ("auth", "billing", "images", "outbound")
"""The services that others call."""


def held(port: int) -> socket.socket:
    """Keep the port for a replica that is not running: nobody else gets it, and connections are refused."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.bind((HOST, port))
    return place


class Replicas:
    def __init__(self, stack: Stack, before: ReleaseBefore) -> None:
        self._stack = stack
        self._before = before
        self._supervisor = stack.stores.supervisor
        self._python = {OLD: str(before.python), NEW: sys.executable}
        names = [f"{release}-{name}{kind}" for release in (OLD, NEW) for name in NAMES for kind in ("", ".m")]
        self._ports = self._supervisor.state.ports(*names)
        self._held = {name: held(port) for name, port in self._ports.items()}
        self._known = set[str]()
        self._triton_before = replace(triton.triton(self._supervisor.state, "old-triton"), secret="")
        """A worker and its Triton belong to the same release. That of the release before has no secret."""

    @property
    def gateways(self) -> list[str]:
        return [f"http://{self._address(release, 'gateway')}" for release in (OLD, NEW)]

    async def start_triton(self) -> None:
        """Start the Triton of the release before."""
        name = "old-triton"
        self._known.add(name)
        await self._supervisor.start(replace(triton.process(self._triton_before), name=name))

    async def start(self, release: str, name: str) -> None:
        """Return once the replica is ready, or at once if the release has no such service."""
        if not self._has(release, name):
            return
        replica = f"{release}-{name}"
        for each in (replica, f"{replica}.m"):
            self._held.pop(each).close()
        if replica in self._known:
            await self._supervisor.restart(replica)
            return
        self._known.add(replica)
        process = self._stack.services.process(name)
        await self._supervisor.start(
            replace(
                process,
                name=replica,
                argv=(self._python[release], "-m", name),
                env=self._environment(release, name),
                ready=http_ok(HOST, self._ports[f"{replica}.m"]),
            )
        )

    async def stop(self, release: str, name: str) -> None:
        """Stop the replica, if the release has such a service."""
        if not self._has(release, name):
            return
        replica = f"{release}-{name}"
        await self._supervisor.stop(replica)
        self._held |= {each: held(self._ports[each]) for each in (replica, f"{replica}.m")}

    async def stop_all(self) -> None:
        for each in self._held.values():
            each.close()
        for replica in self._known:
            await self._supervisor.remove(replica)

    def _has(self, release: str, name: str) -> bool:
        return release == NEW or self._before.has(name)

    def _environment(self, release: str, name: str) -> dict[str, str]:
        prefix = name.upper()
        both = {each: f"ipv4:{','.join(self._address(one, each) for one in (OLD, NEW))}" for each in TARGETS}
        given = self._stack.services.environment(name)
        own = self._environment_before(prefix) if release == OLD else {}
        targets = {f"{prefix}_{each.upper()}_TARGET": addresses for each, addresses in both.items()}
        return (
            given
            | {variable: value for variable, value in (own | targets).items() if variable in given}
            | {f"{prefix}_METRICS_LISTEN": f"{HOST}:{self._ports[f'{release}-{name}.m']}"}
            | ({f"{prefix}_LISTEN": self._address(release, name)} if f"{prefix}_LISTEN" in given else {})
        )

    def _environment_before(self, prefix: str) -> dict[str, str]:
        """Return credentials of the operator, and the Triton of the release before.

        NATS and the object store may refuse the services what they allowed them at the release before. A
        rollback brings back the settings of the stores together with the services.
        """
        access_key, secret_key = self._stack.stores.s3.keys[object_store.OPERATOR]
        return {
            f"{prefix}_NATS_URL": self._stack.stores.nats_url(nats_server.OPERATOR),
            f"{prefix}_S3_ACCESS_KEY": access_key,
            f"{prefix}_S3_SECRET_KEY": secret_key,
            f"{prefix}_TRITON_TARGET": self._triton_before.grpc,
            f"{prefix}_TRITON_SECRET": "",
        }

    def _address(self, release: str, name: str) -> str:
        return f"{HOST}:{self._ports[f'{release}-{name}']}"
