"""Brokers with the chart's configuration: permissions, a full disk, and restarts one after the other."""

import asyncio
import json
import re
import urllib.request
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import StorageType

from common import bus
from gateway.identity.limits import STREAM as LIMITS
from loupe_local.ports import HOST, allocate
from tests.chaos import disks
from tests.chart.environment import environment
from tests.chart.helm import DEFAULT, release
from tests.chart.objects import Object, Release
from tests.chart.programs import argv_of, container_of, eventually, running
from tests.polling import until

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
        data = str(self.folder / str(number))
        env = {**self.filled, "SERVER_NAME": f"loupe-nats-{number}", "DATA": data}
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
        text = config["data"]["nats.conf"].replace(SCRATCH, f"{folder}/{number}")
        for kind, port in (("client", 4222), ("cluster", 6222), ("monitor", 8222)):
            text = text.replace(f"{EVERYWHERE}:{port}", f"{HOST}:{ports[f'{kind}{number}']}")
        text = text.replace('"/data"', json.dumps(str(folder / str(number))))
        (folder / f"{number}.conf").write_text(text)
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


@dataclass(frozen=True)
class Broker:
    """One server with ports of its own. Data, configuration and the log are in this folder."""

    folder: Path
    argv: Sequence[str]
    variables: Mapping[str, str]
    url: str

    def start(self) -> AbstractAsyncContextManager[None]:
        return running([*self.argv], self.variables, self.folder / "log")

    async def connect(self) -> Client:
        login = {"user": "auth", "password": json.loads(self.variables["AUTH_PASSWORD"])}
        options = {"allow_reconnect": False, **login}
        return await eventually(lambda: connect(self.url, **options), OSError, nats.errors.Error)


def broker(folder: Path, address: str = HOST, families: Sequence[str] = ()) -> Broker:
    values = {"bundled": {"replicas": 1, "permissions": {"auth": {}}}}
    chart = release(DEFAULT, nats=values, **{"global": {"ipFamilies": list(families)}})
    container, config = container_of(chart, "nats"), chart.find("ConfigMap", "loupe-nats-config")
    assert config
    (folder / "data").mkdir(exist_ok=True)
    text = config["data"]["nats.conf"].replace(SCRATCH, f"{folder}/")
    text = text.replace('"/data"', json.dumps(str(folder / "data")))
    ports = allocate(["4222", "8222"], {})
    for name, port in ports.items():
        everywhere = f"{'[::]' if families else EVERYWHERE}:{name}"
        assert everywhere in text
        text = text.replace(everywhere, f"{address}:{port}")
    (folder / "nats.conf").write_text(text)
    argv = [*argv_of(container)[:-1], str(folder / "nats.conf")]
    own = {"DATA": str(folder / "data"), "SERVER_NAME": "loupe-nats-0"}
    variables = {**environment(chart, container), **own}
    return Broker(folder, argv, variables, f"nats://{address}:{ports['4222']}")


async def test_a_broker_listens_on_ipv6(tmp_path: Path) -> None:
    server = broker(tmp_path, "[::1]", ["IPv6"])

    async with server.start():
        client = await server.connect()
        await client.close()


async def test_a_broker_ends_once_its_full_disk_has_room_again(tmp_path: Path) -> None:
    """Its streams would refuse all messages. The kubelet starts the container again."""
    with disks.small_disk(tmp_path / "data", mebibytes=128) as disk:
        if disk is None:
            pytest.skip("only root can mount a small disk")
        server, log = broker(tmp_path), tmp_path / "log"
        async with server.start():
            client = await server.connect()
            js = client.jetstream()
            await eventually(lambda: bus.declare(js, bus.stream("X", "x")), nats.errors.Error)
            disks.fill(disk)
            with pytest.raises(nats.errors.Error):
                await publish_often(js)
            await until(lambda: "the disk is full" in log.read_text())
            disks.free(disk)
            await until(lambda: client.is_closed)
            said = log.read_text()
        async with server.start():
            client = await server.connect()
            again = client.jetstream()
            taken = await eventually(lambda: again.publish("x", b"2"), nats.errors.Error)
            await client.close()

    assert "the disk was full and has room again" in said
    assert taken.seq > 0


async def publish_often(js: JetStreamContext) -> None:
    """Publish some messages. The last pages of a full stream still have room."""
    for _ in range(100):
        await js.publish("x", bytes(4096))


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
