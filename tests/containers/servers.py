"""Run PostgreSQL, NATS and SeaweedFS from container images instead of wheels. This needs Docker on Linux.

The containers use this machine's network and the same ports, secrets and configuration: nothing else changes.
POSTGRES_IMAGE, NATS_IMAGE and SEAWEEDFS_IMAGE name other images.
"""

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import docker.errors
from testcontainers.core.container import DockerContainer

from loupe_local import nats_server, object_store, postgres
from loupe_local.ports import HOST
from loupe_local.process import Process
from loupe_local.stores import Stores

POSTGRES = os.environ.get("POSTGRES_IMAGE", "postgres:18")
NATS = os.environ.get("NATS_IMAGE", "nats:2.12-alpine")
SEAWEEDFS = os.environ.get("SEAWEEDFS_IMAGE", "chrislusf/seaweedfs:4.48")
DOCKER = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
SETTINGS = {"listen_addresses": HOST, "max_connections": "200", "timezone": "UTC", "log_checkpoints": "off"}


class Containers:
    """A context manager: leaving it removes all containers and their data."""

    def __init__(self) -> None:
        self._removed = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._removed.close()

    async def postgres(self, running: Stores, *, durable: bool) -> Process:
        server = running.postgres
        settings = SETTINGS | ({} if durable else postgres.VOLATILE)
        env = {
            "PGPORT": str(server.port),
            "POSTGRES_PASSWORD": server.passwords[postgres.ADMIN],
            "POSTGRES_INITDB_ARGS": " ".join(("--auth-host=scram-sha-256", *postgres.LOCALE)),
        }
        command = (
            "postgres",
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        )
        process = Process(
            name="postgres", argv=(), ready=postgres.accepts_queries(server), stop_signal=signal.SIGINT
        )
        container = DockerContainer(POSTGRES, env=env).with_command(list(command))
        return await self._contained(process, container)

    async def nats(self, running: Stores, *, durable: bool) -> Process:
        process = nats_server.process(running.nats, running.supervisor.state, durable=durable)
        return await self._with_our_files(process, NATS, running.supervisor.state.path("nats"))

    async def objects(self, running: Stores) -> Process:
        process = object_store.process(running.s3, running.supervisor.state)
        return await self._with_our_files(process, SEAWEEDFS, process.cwd, entrypoint=["weed"])

    async def _with_our_files(self, process: Process, image: str, folder: Path, **options: object) -> Process:
        """Run the process in a container that reads and writes the folder as our user."""
        container = DockerContainer(image, env=dict(process.env)).with_command(list(process.argv[1:]))
        container.with_volume_mapping(folder, str(folder), "rw")
        container.with_kwargs(user=f"{os.geteuid()}:{os.getegid()}", working_dir=str(folder), **options)
        return await self._contained(process, container)

    async def _contained(self, process: Process, container: DockerContainer) -> Process:
        """Return the process as one run of a container. The container and its data outlive the run."""
        container.with_kwargs(network_mode="host", **container._kwargs)
        self._removed.callback(container.stop)
        await asyncio.to_thread(container.start)

        def kill() -> None:
            with contextlib.suppress(docker.errors.APIError):  # it has ended by itself
                container.get_wrapped_container().kill()

        runner = Path(__file__).with_name("attached.py")
        argv = (sys.executable, str(runner), container.get_container_id())
        return replace(
            process, argv=argv, env=DOCKER, cwd=Path("/"), identity="own", clean_up=kill, stop_seconds=20
        )
