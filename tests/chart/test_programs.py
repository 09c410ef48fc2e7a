"""Run the chart's own programs against real servers, with the commands in the rendered objects."""

import asyncio
import json
import os
import re
import sys
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import grpc
import nats
import nats.errors
import pytest
from minio import Minio
from minio.error import S3Error
from nats.aio.client import Client
from urllib3.exceptions import HTTPError

from common import bus
from gateway.identity.limits import STREAM as LIMITS
from loupe_local import object_store
from loupe_local.nats_server import binary
from loupe_local.ports import HOST, allocate
from loupe_local.postgres_home import package
from loupe_local.service_names import WITH_DATABASE
from loupe_local.services import REPOSITORY
from loupe_local.stack import Stack
from loupe_local.stores import Stores
from tests.chart.environment import environment
from tests.chart.helm import DEFAULT, release
from tests.chart.objects import Object, Release

PROGRAMS = {"python": sys.executable, "nats-server": str(binary("nats-server"))}
EVERYWHERE, SCRATCH = "0.0.0.0", "/tmp/"  # noqa: S104, S108  as the chart writes them, to be replaced
SECONDS = 60.0
T = TypeVar("T")


def container_of(chart: Release, component: str) -> Object:
    (pod,) = [pod for pod in chart.pods if pod.component == component]
    return pod.spec["containers"][0]


def argv_of(container: Object) -> list[str]:
    argv: list[str] = [*container["command"], *container.get("args", [])]
    return [PROGRAMS.get(argv[0], argv[0]), *argv[1:]]


async def run(argv: list[str], env: Mapping[str, str], cwd: Path | None = None) -> str:
    path = f"{package() / 'pginstall' / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *argv,
        env={"PATH": path, **env},
        cwd=cwd,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@asynccontextmanager
async def running(argv: list[str], env: Mapping[str, str], log: Path) -> AsyncGenerator[None]:
    with log.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *argv,
            env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **env},
            stdout=sink,
            stderr=sink,
        )
        try:
            yield
        finally:
            process.terminate()
            await process.wait()


async def eventually(attempt: Callable[[], Awaitable[T]], *errors: type[Exception]) -> T:
    """Repeat the attempt until it succeeds, and return its result."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                return await attempt()
            except errors:
                await asyncio.sleep(0.1)


async def connected(filled: Mapping[str, str], service: str, port: int, **options: Any) -> Client:
    password = json.loads(filled[f"{service.upper()}_PASSWORD"])
    options = {"user": service, "password": password, "allow_reconnect": False} | options
    return await eventually(
        lambda: nats.connect(f"nats://{HOST}:{port}", **options), OSError, nats.errors.Error
    )


@pytest.fixture
def chart() -> Release:
    """Render the chart with databases that no other test uses."""
    name = f"chart_{uuid.uuid4().hex[:8]}"
    databases = {one: {"name": f"{name}_{one}", "user": f"{name}_{one}"} for one in WITH_DATABASE}
    return release(DEFAULT, postgresql={"databases": databases})


async def migrated(chart: Release, stores: Stores, service: str, mode: str) -> str:
    container = container_of(chart, f"migrate-{service}")
    argv = [*argv_of(container)[:-1], mode]
    filled = environment(chart, container)
    url = f"{service.upper()}_DATABASE_URL"
    filled[url] = re.sub(r"@[^/]+/", f"@{HOST}:{stores.postgres.port}/", filled[url])
    return await run(argv, filled, REPOSITORY / "services" / service)


async def with_roles(chart: Release, stores: Stores) -> str:
    container = container_of(chart, "postgresql-roles")
    admin = {
        "PGHOST": HOST,
        "PGPORT": str(stores.postgres.port),
        "PGPASSWORD": stores.postgres.passwords["postgres"],
    }
    return await run(argv_of(container), environment(chart, container) | admin)


async def test_roles_are_created_once_and_migrations_run_after_that(chart: Release, stores: Stores) -> None:
    first, second = await with_roles(chart, stores), await with_roles(chart, stores)

    for service in WITH_DATABASE:
        waiting = asyncio.create_task(migrated(chart, stores, service, "wait"))
        await migrated(chart, stores, service, "upgrade")
        await waiting
    again = await migrated(chart, stores, "auth", "upgrade")

    assert first == second
    assert again == ""


async def test_older_code_starts_with_a_newer_database(chart: Release, stores: Stores) -> None:
    await with_roles(chart, stores)
    await migrated(chart, stores, "auth", "upgrade")
    name = chart.values["postgresql"]["databases"]["auth"]["name"]
    later = "UPDATE alembic_version SET version_num = 'later'"
    await run(["psql", "--quiet", "--command", later, stores.postgres.admin_url(name)], {})

    outputs = [await migrated(chart, stores, "auth", mode) for mode in ("upgrade", "wait")]

    assert outputs == ["the database is newer than this release: it has later\n"] * 2


async def test_three_brokers_form_a_cluster_and_keep_to_permissions(tmp_path: Path) -> None:
    chart = release(DEFAULT, nats={"bundled": {"permissions": {"auth": {}}}, "users": {"gateway": "front.1"}})
    container, config = container_of(chart, "nats"), chart.find("ConfigMap", "loupe-nats-config")
    assert config
    names = [f"{kind}{number}" for kind in ("client", "cluster", "monitor") for number in range(3)]
    ports = allocate(names, {})
    filled = environment(chart, container)
    replicas = int(environment(chart, container_of(chart, "auth"))["AUTH_NATS_REPLICAS"])
    for number in range(3):
        filled[f"ROUTE_{number}"] = re.sub(
            r"@.*\"", f'@{HOST}:{ports[f"cluster{number}"]}"', filled[f"ROUTE_{number}"]
        )
    denied: list[str] = []

    async def note_denial(error: Exception) -> None:
        denied.append(str(error))

    async with AsyncExitStack() as servers:
        for number in range(3):
            text = config["data"]["nats.conf"]
            for kind, port in (("client", 4222), ("cluster", 6222), ("monitor", 8222)):
                text = text.replace(f"{EVERYWHERE}:{port}", f"{HOST}:{ports[f'{kind}{number}']}")
            text = text.replace('"/data"', json.dumps(str(tmp_path / str(number)))).replace(
                SCRATCH, f"{tmp_path}/{number}"
            )
            (tmp_path / f"{number}.conf").write_text(text)
            argv = [PROGRAMS["nats-server"], "--config", str(tmp_path / f"{number}.conf")]
            env = filled | {"SERVER_NAME": f"loupe-nats-{number}"}
            await servers.enter_async_context(running(argv, env, tmp_path / f"{number}.log"))
        owner = await connected(filled, "auth", ports["client0"])
        inbox = bus.inbox_prefix("nats://front.1:x@host")
        limited = await connected(
            filled, "gateway", ports["client1"], user="front.1", error_cb=note_denial, inbox_prefix=inbox
        )
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


def rights_of(identities: Any) -> set[tuple[str, str, str]]:
    """Return who may do what with which objects, of the store's configuration."""
    return {
        (policy["name"], statement["Resource"], statement["Action"])
        for policy in identities["policies"]
        for statement in json.loads(policy["content"])["Statement"]
    }


async def test_the_object_store_knows_two_identities_and_one_bucket(tmp_path: Path) -> None:
    chart = release(DEFAULT)
    container = container_of(chart, "object-store")
    names = ("s3", "master", "volume", "filer", "admin")
    ports = allocate([*names, *(f"{name}.grpc" for name in names)], {})
    filer = f"{ports['filer']}.{ports['filer.grpc']}"
    (tmp_path / "data").mkdir()
    certificates = tmp_path / "certificates"
    (preparation,) = next(pod for pod in chart.pods if pod.component == "object-store").spec["initContainers"]
    await run([*argv_of(preparation)[:-1], str(certificates)], {})
    filled = environment(chart, container) | {
        "DATA": str(tmp_path / "data"),
        "SCRATCH": str(tmp_path),
        "CERTIFICATES": str(certificates),
    }
    shell, flag, script = argv_of(container)
    for name, port in ports.items():
        server, _, kind = name.partition(".")
        prefix = "" if server == "s3" else f"{server}."  # the S3 server is a separate process
        option = f"-{prefix}port.{kind}=" if kind else f"-{prefix}port="
        script, changed = re.subn(rf"{re.escape(option)}\d+", f"{option}{port}", script)
        assert changed == 1

    script = script.replace("8888.18888", filer).replace(
        "9333.19333", f"{ports['master']}.{ports['master.grpc']}"
    )
    script = script.replace(EVERYWHERE, HOST)

    async with running([shell, flag, script], filled, tmp_path / "log"):
        images, inference = (
            Minio(
                f"{HOST}:{ports['s3']}",
                access_key=filled[f"{name}_ACCESS_KEY"],
                secret_key=filled[f"{name}_SECRET_KEY"],
                secure=False,
                region="us-east-1",
            )
            for name in ("IMAGES", "INFERENCE")
        )
        await eventually(
            lambda: asyncio.to_thread(
                images.put_object, "loupe", "images/originals/a", BytesIO(b"pixels"), 6
            ),
            S3Error,
            HTTPError,
        )
        with await asyncio.to_thread(inference.get_object, "loupe", "images/originals/a") as answer:
            read = answer.read()
        with pytest.raises(S3Error) as caught:
            await asyncio.to_thread(images.make_bucket, "other")
        async with grpc.aio.insecure_channel(f"{HOST}:{ports['s3.grpc']}") as stranger:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stranger.unary_unary("/messaging_pb.SeaweedS3IamCache/PutIdentity")(b"", timeout=10)
        identities = json.loads((tmp_path / "s3.json").read_text())
    object_store.remove_sockets(object_store.ObjectStore(ports=ports, keys={}))

    assert read == b"pixels"
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert rights_of(identities) == {
        (name, f"arn:aws:s3:::loupe{resource}", action)
        for name in object_store.SERVICES
        for resource, actions in object_store.RIGHTS[name].items()
        for action in actions
    }
    assert caught.value.code == "AccessDenied"


async def test_the_trial_upscales_a_picture(stack: Stack) -> None:
    container = container_of(release(DEFAULT), "test")
    where = {"API_URL": stack.api, "OBJECTS_URL": f"http://{stack.stores.s3.endpoint}"}
    admin = {f"LOUPE_{name.upper()}": value for name, value in stack.services.admin.items()}

    output = await run(argv_of(container), where | admin)

    assert re.search(r"a picture was upscaled to \(128, 128\) in [\d.]+ s", output)
