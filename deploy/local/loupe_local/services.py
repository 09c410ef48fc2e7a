"""The services as processes.

Each has its own credentials. A variable of our environment with the service's prefix overrides a setting.
"""

import json
import os
import sys
from asyncio import gather
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from loupe_local import plans
from loupe_local.ports import HOST
from loupe_local.probes import http_ok
from loupe_local.process import Process, output_of
from loupe_local.service_names import CLIENTS, NAMES, WITH_DATABASE
from loupe_local.stages import Stage
from loupe_local.state import REPOSITORY
from loupe_local.stores import Stores

TIERS = {"gateway": 3, "inference": 2}
"""The gateway stops first, then the worker, then the services that these two call."""
REQUESTS_PER_HOUR_WITHOUT_TOKEN = 1000
"""The default of ten would soon lock out a person who tries things on their own machine."""

CONSOLE = REPOSITORY / ".loupe" / "console" / "dist"
"""The files of the web console, if `make console` has built them."""

RECEIVERS_ON_THIS_MACHINE = {"allow": "127.0.0.0/8", "allow_http": "true", "ports": "1-65535"}
"""Users' URLs may lead to this machine, so that people can try webhooks and links."""
GATEWAY = "service.gateway"
"""The name under which the API's port is remembered."""


class MigrationFailed(Exception):
    """A migration failed. The message holds alembic's output."""


@dataclass(frozen=True, kw_only=True)
class Services:
    """Addresses, secrets and environments of the services."""

    stores: Stores
    ports: Mapping[str, int]
    secrets: Mapping[str, str]
    overrides: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variables such as INFERENCE_PARALLEL. They override ours and those of our environment."""

    @property
    def api(self) -> str:
        return f"http://{HOST}:{self.ports['gateway']}"

    @property
    def has_quotas(self) -> bool:
        """Return whether the plans have their monthly quotas. They do if a plans file is set."""
        return self.environment("billing")["BILLING_PLANS_FILE"] != self._billing()["plans_file"]

    @property
    def metrics(self) -> dict[str, str]:
        return {name: f"http://{HOST}:{self.ports[f'{name}.metrics']}/metrics" for name in NAMES}

    @property
    def admin(self) -> dict[str, str]:
        """Return the settings of `loupe-admin`, with the overrides that begin with LOUPE_."""
        ours = {key: value for key, value in self.overrides.items() if key.startswith("LOUPE_")}
        return {
            **{key.removeprefix("LOUPE_").lower(): value for key, value in ours.items()},
            "auth_target": self.target("auth"),
            "billing_target": self.target("billing"),
            "images_target": self.target("images"),
            "outbound_target": self.target("outbound"),
            "operator_secret": self.secrets["operator"],
        }

    def target(self, name: str) -> str:
        return f"{HOST}:{self.ports[name]}"

    def environment(self, name: str) -> dict[str, str]:
        """Return the environment of one service."""
        prefix = f"{name.upper()}_"
        common = {
            "metrics_listen": f"{HOST}:{self.ports[f'{name}.metrics']}",
            "nats_url": self.stores.nats_url(name),
            "log_readable": "true",
        }
        settings = common | getattr(self, f"_{name}")()
        ours = {f"{prefix}{setting}".upper(): value for setting, value in settings.items()}
        inherited = {key: value for key, value in os.environ.items() if key.startswith((prefix, "OTEL_"))}
        return (
            ours | inherited | {key: self.overrides[key] for key in self.overrides if key.startswith(prefix)}
        )

    def process(self, name: str) -> Process:
        return Process(
            name=name,
            argv=(sys.executable, "-m", name),
            env=self.environment(name),
            ready=http_ok(HOST, self.ports[f"{name}.metrics"]),
            ready_seconds=60,
            stop_seconds=30,
            tier=TIERS.get(name, 1),
        )

    async def migrate(self, name: str) -> None:
        """Bring the database schema of one service up to date."""
        folder = REPOSITORY / "services" / name
        url = f"{name.upper()}_DATABASE_URL"
        status, output = await output_of(
            [sys.executable, "-m", "alembic", "--config", str(folder / "pyproject.toml"), "upgrade", "head"],
            env={**os.environ, url: self.environment(name)[url]},
            cwd=folder,
        )
        if status:
            raise MigrationFailed(f"the migration of {name} failed: {output}")

    async def start(self) -> None:
        """Migrate the databases and start all services. Return once they are ready."""
        supervisor = self.stores.supervisor
        with supervisor.stages.running("migrations") as stage:
            await _all_of(WITH_DATABASE, self.migrate, stage)
            stage.finish("the databases are up to date")
        with supervisor.stages.running("services") as stage:
            await _all_of(NAMES, lambda name: supervisor.start(self.process(name)), stage)
            stage.finish(f"all {len(NAMES)} are ready")

    def _auth(self) -> dict[str, str]:
        host, _, port = self.stores.smtp.address.rpartition(":")
        return {
            "database_url": self.stores.database_url("auth"),
            "listen": self.target("auth"),
            "secret": self.secrets["auth"],
            "link_secret": self.secrets["auth-links"],
            "clients": json.dumps({client: self.secrets[client] for client in CLIENTS}),
            "public_url": self.api,
            "smtp_host": host,
            "smtp_port_number": port,
        }

    def _billing(self) -> dict[str, str]:
        return {
            "database_url": self.stores.database_url("billing"),
            "listen": self.target("billing"),
            "auth_target": self.target("auth"),
            "plans_file": str(self.stores.supervisor.state.folder / plans.FILE_NAME),
        }

    def _images(self) -> dict[str, str]:
        return {
            "database_url": self.stores.database_url("images"),
            "listen": self.target("images"),
            "auth_target": self.target("auth"),
            "billing_target": self.target("billing"),
            "outbound_target": self.target("outbound"),
            "client_secret": self.secrets["images"],
            "s3_public_endpoint": f"http://{self.stores.s3.endpoint}",
            **self._s3("images"),
        }

    def _inference(self) -> dict[str, str]:
        triton = self.stores.triton
        return {
            "auth_target": self.target("auth"),
            "images_target": self.target("images"),
            "client_secret": self.secrets["inference"],
            "triton_target": triton.grpc if triton else f"{HOST}:1",
            "triton_secret": triton.secret if triton else "",
            "shared_memory": "true",
            **self._s3("inference"),
        }

    def _outbound(self) -> dict[str, str]:
        return {
            "database_url": self.stores.database_url("outbound"),
            "listen": self.target("outbound"),
            "auth_target": self.target("auth"),
            "images_target": self.target("images"),
            "client_secret": self.secrets["outbound"],
            "secret": self.secrets["outbound-secrets"],
            **RECEIVERS_ON_THIS_MACHINE,
        }

    def _gateway(self) -> dict[str, str]:
        return {
            "listen": self.target("gateway"),
            "auth_target": self.target("auth"),
            "billing_target": self.target("billing"),
            "images_target": self.target("images"),
            "outbound_target": self.target("outbound"),
            "client_secret": self.secrets["gateway"],
            "unauthenticated_requests_per_hour": str(REQUESTS_PER_HOUR_WITHOUT_TOKEN),
            "console_folder": str(CONSOLE),
            "console_picture_origins": f"http://{self.stores.s3.endpoint}",
        }

    def _s3(self, name: str) -> dict[str, str]:
        store = self.stores.s3
        access_key, secret_key = store.keys[name]
        return {
            "s3_endpoint": f"http://{store.endpoint}",
            "s3_region": store.region,
            "s3_bucket": store.bucket,
            "s3_access_key": access_key,
            "s3_secret_key": secret_key,
        }


async def _all_of(names: Sequence[str], do: Callable[[str], Awaitable[None]], stage: Stage) -> None:
    """Call `do` for all names at once. The stage shows those that are not finished."""
    waiting = list(names)

    async def one(name: str) -> None:
        await do(name)
        waiting.remove(name)
        if waiting:
            stage.progress(f"waiting for {', '.join(waiting)}")

    stage.progress(f"waiting for {', '.join(waiting)}")
    await gather(*(one(name) for name in names))


def services(stores: Stores, overrides: Mapping[str, str]) -> Services:
    state = stores.supervisor.state
    names = [*NAMES, *(f"{name}.metrics" for name in NAMES)]
    ports = state.ports(*(f"service.{name}" for name in names))
    plans.write_without_quotas(state.folder)
    return Services(
        stores=stores,
        ports={name: ports[f"service.{name}"] for name in names},
        secrets={
            name: state.secret(f"service/{name}")
            for name in (*CLIENTS, "auth", "auth-links", "outbound-secrets")
        },
        overrides=overrides,
    )
