"""Start the servers that Loupe needs: PostgreSQL, NATS, the object store, the mail server and Triton."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loupe_local import nats_server, object_store, postgres, postgres_home, smtp
from loupe_local import triton as triton_server
from loupe_local.log import FOLDER_NAME, Sink, to_folder
from loupe_local.process import Process
from loupe_local.stages import SILENT, Stages
from loupe_local.supervisor import Supervisor

NAMES = ("postgres", "nats", "objects", "smtp", "triton")
"""The names of their processes."""


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Addresses and credentials of the running servers, and their supervisor."""

    supervisor: Supervisor
    postgres: postgres.Postgres
    nats: nats_server.Nats
    s3: object_store.ObjectStore
    smtp: smtp.Smtp
    triton: triton_server.Triton | None

    def database_url(self, service: str) -> str:
        return self.postgres.url(service, service)

    def nats_url(self, service: str) -> str:
        return self.nats.url(service)

    @property
    def mails(self) -> Path:
        return self.smtp.mails

    @property
    def metrics(self) -> dict[str, str]:
        triton = {"triton": self.triton.metrics} if self.triton else {}
        return {"objects": self.s3.metrics, "nats": f"{self.nats.monitor}/varz", **triton}


class Servers(Protocol):
    """A source of PostgreSQL, NATS and the object store. They use the ports and secrets of `running`."""

    async def postgres(self, running: Stores, *, durable: bool) -> Process: ...
    async def nats(self, running: Stores, *, durable: bool) -> Process: ...
    async def objects(self, running: Stores) -> Process: ...


class Wheels:
    """The servers from Python wheels."""

    async def postgres(self, running: Stores, *, durable: bool) -> Process:
        home = await postgres_home.find(running.supervisor.state, running.supervisor.sink)
        await postgres.create_cluster(running.postgres, home, durable=durable)
        return postgres.process(running.postgres, home, durable=durable)

    async def nats(self, running: Stores, *, durable: bool) -> Process:
        return nats_server.process(running.nats, running.supervisor.state, durable=durable)

    async def objects(self, running: Stores) -> Process:
        return object_store.process(running.s3, running.supervisor.state)


WHEELS = Wheels()


@asynccontextmanager
async def stores(
    folder: Path,
    *,
    sink: Sink | None = None,
    durable: bool = True,
    triton: bool = True,
    script_file: Path | None = None,
    servers: Servers = WHEELS,
    stages: Stages = SILENT,
    chosen_ports: Mapping[str, int] | None = None,
) -> AsyncGenerator[Stores]:
    """Yield the servers once all of them are ready. They find the data of the last run.

    Without a sink, each process has its own log file in the folder's `logs`.
    With `durable=False` data survives a crash of a process, but not of the machine.
    """
    sink = sink or to_folder(folder / FOLDER_NAME)
    async with Supervisor(folder, sink, script_file, stages) as supervisor:
        state = supervisor.state
        for name, port in (chosen_ports or {}).items():
            state.choose_port(name, port)
        stages.say("Starting Loupe.")
        running = Stores(
            supervisor=supervisor,
            postgres=postgres.postgres(state),
            nats=nats_server.nats(state),
            s3=object_store.object_store(state),
            smtp=smtp.smtp(state),
            triton=triton_server.triton(state) if triton else None,
        )
        await _start(running, servers, durable=durable)
        supervisor.publish(addresses=_addresses(running))
        yield running


async def _start(running: Stores, servers: Servers, *, durable: bool) -> None:
    starts = [
        _start_postgres(running, servers, durable=durable),
        _start_nats(running, servers, durable=durable),
        _start_objects(running, servers, durable=durable),
        _start_smtp(running.supervisor, running.smtp),
    ]
    if running.triton:
        starts.append(_start_triton(running.supervisor, running.triton))
    tasks = [asyncio.create_task(start) for start in starts]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _start_postgres(running: Stores, servers: Servers, *, durable: bool) -> None:
    with running.supervisor.stages.running("database") as stage:
        await running.supervisor.start(await servers.postgres(running, durable=durable))
        stage.progress("creating databases")
        await postgres.create_databases(running.postgres)
        stage.finish(f"PostgreSQL, port {running.postgres.port}")


async def _start_nats(running: Stores, servers: Servers, *, durable: bool) -> None:
    with running.supervisor.stages.running("broker") as stage:
        await running.supervisor.start(await servers.nats(running, durable=durable))
        stage.finish(f"NATS, port {running.nats.port}")


async def _start_objects(running: Stores, servers: Servers, *, durable: bool) -> None:
    with running.supervisor.stages.running("object store") as stage:
        await running.supervisor.start(await servers.objects(running))
        if durable:
            await object_store.enable_fsync(running.s3)
        stage.finish(f"SeaweedFS, port {running.s3.ports['s3']}")


async def _start_smtp(supervisor: Supervisor, server: smtp.Smtp) -> None:
    with supervisor.stages.running("mail") as stage:
        await supervisor.start(smtp.process(server))
        stage.finish("each mail becomes a file")


async def _start_triton(supervisor: Supervisor, server: triton_server.Triton) -> None:
    models = [*triton_server.model_names(), *triton_server.model_names(triton_server.OWN_MODELS)]
    with supervisor.stages.running("Triton", f"loading {len(models)} models") as stage:
        await supervisor.start(triton_server.process(server))
        stage.finish(f"{len(models)} models loaded")


def _addresses(running: Stores) -> dict[str, object]:
    triton = {"triton": running.triton.grpc} if running.triton else {}
    return {
        "postgres": f"{postgres.HOST}:{running.postgres.port}",
        "nats": f"{nats_server.HOST}:{running.nats.port}",
        "s3": running.s3.endpoint,
        "smtp": running.smtp.address,
        "mails": str(running.mails),
        "metrics": running.metrics,
        **triton,
    }
