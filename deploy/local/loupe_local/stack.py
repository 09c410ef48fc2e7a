"""Start the whole system: stores, services and two users.

`local.json` lists addresses, tokens and passwords for scripts.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from loupe_local import accounts
from loupe_local.log import Sink
from loupe_local.service_names import WITH_DATABASE
from loupe_local.services import GATEWAY, Services
from loupe_local.services import services as services_of
from loupe_local.stages import SILENT, Stages
from loupe_local.state import FOLDER
from loupe_local.stores import WHEELS, Servers, Stores, stores


@dataclass(frozen=True, kw_only=True)
class Stack:
    stores: Stores
    services: Services
    token: str
    other_token: str

    @property
    def api(self) -> str:
        return self.services.api

    @property
    def moved_from(self) -> int | None:
        """Return the port of the last run, if it is taken and the API listens on another one."""
        return self.stores.supervisor.state.moved_ports.get(GATEWAY, (None,))[0]


@asynccontextmanager
async def stack(
    folder: Path = FOLDER,
    *,
    sink: Sink | None = None,
    durable: bool = True,
    overrides: Mapping[str, str] | None = None,
    servers: Servers = WHEELS,
    stages: Stages = SILENT,
    port: int | None = None,
) -> AsyncGenerator[Stack]:
    """Yield the running system once all of it is ready. `stages` prints how far the start and the stop are.

    The API listens on `port`, by default on the one of the last run. Without a sink, each process has its own
    log file in the folder's `logs`. While the system runs, `local.json` beside the folder holds addresses,
    tokens, passwords and process ids for scripts.
    """
    script_file = folder.parent / "local.json"
    async with stores(
        folder,
        sink=sink,
        durable=durable,
        script_file=script_file,
        servers=servers,
        stages=stages,
        chosen_ports={GATEWAY: port} if port else {},
    ) as running:
        services = services_of(running, overrides or {})
        await services.start()
        with stages.running("users") as stage:
            token, other_token = await accounts.create_users(running, services)
            stage.finish("Jane and Omar can log in")
        started = Stack(stores=running, services=services, token=token, other_token=other_token)
        publish(started)
        yield started


def publish(started: Stack) -> None:
    """Write the addresses, tokens and passwords of the running system to its files."""
    stores, services = started.stores, started.services
    stores.supervisor.publish(api=services.api)
    stores.supervisor.publish_to_scripts(
        api=services.api,
        databases={name: stores.database_url(name) for name in WITH_DATABASE},
        token=started.token,
        other_token=started.other_token,
        passwords=accounts.passwords(stores.supervisor.state),
        mails=str(stores.mails),
        s3=f"http://{stores.s3.endpoint}",
        metrics=stores.metrics | services.metrics,
        admin=services.admin,
    )
