"""Three brokers with the chart's configuration: permissions, and restarts one after the other."""

import asyncio
import json
import re
import urllib.request
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import nats
import nats.errors
from nats.aio.client import Client
from nats.js.api import StorageType

from common import bus
from gateway.identity.limits import STREAM as LIMITS
from loupe_local.ports import HOST, allocate
from tests.chart.environment import environment
from tests.chart.helm import DEFAULT, release
from tests.chart.objects import Object, Release
from tests.chart.programs import argv_of, container_of, eventually, running

EVERYWHERE, SCRATCH = "0.0.0.0", "/tmp/"  # noqa: S104, S108  as the chart writes them, to be replaced
SERVERS = range(3)


@dataclass(frozen=True)
class Brokers:
    """Three servers in folders of `folder`."""

    container: Object
    filled: Mapping[str, str]
    ports: Mapping[str, int]
    folder: Path

    def start(self, number: int) -> Any:
        argv = [*argv_of(self.container)[:-1], str(self.folder / f"{number}.conf")]
        env = {**self.filled, "SERVER_NAME": f"loupe-nats-{number}"}
        return running(argv, env, self.folder / f"{number}.log")

    async def passes(self, number: int, probe: str) -> None:
        """Return when the server passes a probe."""
        path = self.container[probe]["httpGet"]["path"]
        url = f"http://{HOST}:{self.ports[f'monitor{number}']}{path}"

        def ask() -> None:
            with urllib.request.urlopen(url):
                pass

        await eventually(lambda: asyncio.to_thread(ask), URLError, OSError)

    async def connect(self, service: str, number: int, **options: Any) -> Client:
        password = json.loads(self.filled[f"{service.upper()}_PASSWORD"])
        options = {"user": service, "password": password, "allow_reconnect": False} | options
        url = f"nats://{HOST}:{self.ports[f'client{number}']}"
        return await eventually(lambda: connect(url, **options), OSError, nats.errors.Error)


async def connect(url: str, **options: Any) -> Client:
    """Return a connection. Close its socket if the server refuses it, which `nats.connect` leaves open."""
    client = Client()
    try:
        await client.connect(url, **options)
    except BaseException:
        await client.close()
        raise
    return client


@asynccontextmanager
async def brokers(chart: Release, folder: Path) -> AsyncGenerator[tuple[Brokers, dict[int, AsyncExitStack]]]:
    """Yield the brokers, and for each what stops it."""
    container, config = container_of(chart, "nats"), chart.find("ConfigMap", "loupe-nats-config")
    assert config
    ports = allocate(
        [f"{kind}{number}" for kind in ("client", "cluster", "monitor") for number in SERVERS], {}
    )
    filled = environment(chart, container)
    for number in SERVERS:
        route = f'@{HOST}:{ports[f"cluster{number}"]}"'
        filled[f"ROUTE_{number}"] = re.sub(r"@.*\"", route, filled[f"ROUTE_{number}"])
        text = config["data"]["nats.conf"]
        for kind, port in (("client", 4222), ("cluster", 6222), ("monitor", 8222)):
            text = text.replace(f"{EVERYWHERE}:{port}", f"{HOST}:{ports[f'{kind}{number}']}")
        text = text.replace('"/data"', json.dumps(str(folder / str(number))))
        (folder / f"{number}.conf").write_text(text.replace(SCRATCH, f"{folder}/{number}"))
    them = Brokers(container=container, filled=filled, ports=ports, folder=folder)
    async with AsyncExitStack() as everything:
        servers = {number: await everything.enter_async_context(AsyncExitStack()) for number in SERVERS}
        for number, server in servers.items():
            await server.enter_async_context(them.start(number))
        yield them, servers


async def test_three_brokers_form_a_cluster_and_keep_to_permissions(tmp_path: Path) -> None:
    chart = release(DEFAULT, nats={"bundled": {"permissions": {"auth": {}}}, "users": {"gateway": "front.1"}})
    replicas = int(environment(chart, container_of(chart, "auth"))["AUTH_NATS_REPLICAS"])
    denied: list[str] = []

    async def note_denial(error: Exception) -> None:
        denied.append(str(error))

    async with brokers(chart, tmp_path) as (them, _):
        owner = await them.connect("auth", 0)
        inbox = bus.inbox_prefix("nats://front.1:x@host")
        limited = await them.connect("gateway", 1, user="front.1", error_cb=note_denial, inbox_prefix=inbox)
        js = owner.jetstream()
        await eventually(lambda: bus.declare(js, bus.stream("X", "x"), replicas=replicas), nats.errors.Error)
        stream = await js.stream_info("X")
        acknowledged = await js.publish("x", b"1")
        await limited.publish("x", b"2")
        await limited.flush()
        await eventually(
            lambda: bus.declare(limited.jetstream(), LIMITS, replicas=replicas), nats.errors.Error
        )
        left = (await js.stream_info("X")).state.messages
        await owner.close()
        await limited.close()

    assert stream.cluster
    assert len(stream.cluster.replicas or []) == 2
    assert acknowledged.seq == 1
    assert left == 1
    assert ["permissions violation" in one for one in denied] == [True]


async def test_a_broker_listens_on_ipv6(tmp_path: Path) -> None:
    chart = release(DEFAULT, nats={"bundled": {"replicas": 1}}, **{"global": {"ipFamilies": ["IPv6"]}})
    container, config = container_of(chart, "nats"), chart.find("ConfigMap", "loupe-nats-config")
    assert config
    filled, ports = environment(chart, container), allocate(["4222", "8222"], {})
    text = config["data"]["nats.conf"].replace('"/data"', json.dumps(str(tmp_path)))
    for name, port in ports.items():
        assert f"[::]:{name}" in text
        text = text.replace(f"[::]:{name}", f"[::1]:{port}")
    (tmp_path / "nats.conf").write_text(text.replace(SCRATCH, f"{tmp_path}/"))
    argv = [*argv_of(container)[:-1], str(tmp_path / "nats.conf")]

    async with running(argv, filled, tmp_path / "log"):
        login = {"user": "auth", "password": json.loads(filled["AUTH_PASSWORD"])}
        url = f"nats://[::1]:{ports['4222']}"
        client = await eventually(lambda: connect(url, **login), OSError, nats.errors.Error)
        await client.close()


async def test_hourly_limits_survive_a_restart_of_one_broker_after_the_other(tmp_path: Path) -> None:
    """Limits are counted in memory. A server that is ready before it has caught up would lose them."""
    chart = release(DEFAULT, nats={"bundled": {"permissions": {"gateway": {}}}})
    counted = 1_000

    async with brokers(chart, tmp_path) as (them, servers):
        client = await them.connect("gateway", 0)
        js = client.jetstream()
        await eventually(lambda: bus.declare(js, LIMITS, replicas=3), nats.errors.Error)
        one_more = {"Nats-Incr": "1"}
        await asyncio.gather(
            *(js.publish(f"limits.user.{user}", headers=one_more, timeout=30) for user in range(counted))
        )
        await client.close()
        for number, server in servers.items():
            await server.aclose()
            await server.enter_async_context(them.start(number))
            for probe in ("startupProbe", "readinessProbe"):
                await them.passes(number, probe)
        again = await them.connect("gateway", 0)
        info = await eventually(lambda: again.jetstream().stream_info(LIMITS.name or ""), nats.errors.Error)
        await again.close()

    assert LIMITS.storage == StorageType.MEMORY
    assert info.state.messages == counted
