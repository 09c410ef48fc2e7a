"""The chart starts SeaweedFS with a script, which runs here as it stands in the rendered object."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import pytest
from minio import Minio
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from loupe_local import object_store
from loupe_local.ports import HOST, allocate
from tests.chaos import disks
from tests.chart.environment import environment
from tests.chart.helm import DEFAULT, release
from tests.chart.programs import argv_of, container_of, eventually, run, running
from tests.polling import until

NAMES = ("s3", "master", "volume", "filer", "admin")


@dataclass(frozen=True)
class Running:
    """The script with its servers, and what it was started with."""

    address: str
    ports: dict[str, int]
    variables: dict[str, str]

    def client(self, name: str) -> Minio:
        """Return a client with the identity of this service."""
        return Minio(
            f"{self.address}:{self.ports['s3']}",
            access_key=self.variables[f"{name.upper()}_ACCESS_KEY"],
            secret_key=self.variables[f"{name.upper()}_SECRET_KEY"],
            secure=False,
            region="us-east-1",
        )

    async def store(self, key: str) -> None:
        await asyncio.to_thread(self.client("images").put_object, "loupe", key, BytesIO(b"pixels"), 6)

    async def store_often(self, key: str) -> None:
        """Store some objects. Some pages of the index of a full store still have room."""
        for number in range(1000):
            await self.store(f"{key}{number}")

    async def store_when_ready(self, key: str) -> None:
        """Store an object, as soon as the servers are there."""
        await eventually(lambda: self.store(key), MinioException, HTTPError)


@contextlib.asynccontextmanager
async def object_store_program(
    folder: Path, address: str = HOST, families: Sequence[str] = ()
) -> AsyncGenerator[Running]:
    """Run the script with ports of its own. Data, scratch files and the log are in this folder."""
    chart = release(DEFAULT, **{"global": {"ipFamilies": list(families)}})
    container = container_of(chart, "object-store")
    ports = allocate([*NAMES, *(f"{name}.grpc" for name in NAMES)], {})
    (folder / "data").mkdir(exist_ok=True)
    (preparation,) = next(pod for pod in chart.pods if pod.component == "object-store").spec["initContainers"]
    await run([*argv_of(preparation)[:-1], str(folder / "certificates")], {})
    variables = environment(chart, container)
    assert variables["LISTEN"] == ("::" if families else "0.0.0.0")  # noqa: S104  as the chart writes it
    variables |= {
        "LISTEN": address.strip("[]"),
        "DATA": str(folder / "data"),
        "SCRATCH": str(folder),
        "CERTIFICATES": str(folder / "certificates"),
    }
    shell, flag, script = argv_of(container)
    try:
        async with running([shell, flag, with_ports(script, ports)], variables, folder / "log"):
            yield Running(address, ports, variables)
    finally:
        object_store.remove_sockets(object_store.ObjectStore(ports=ports, keys={}))


def with_ports(script: str, ports: dict[str, int]) -> str:
    """Return the script with these ports in place of the usual ones."""
    for name, port in ports.items():
        server, _, kind = name.partition(".")
        prefix = "" if server == "s3" else f"{server}."  # the S3 server is a separate process
        option = f"-{prefix}port.{kind}=" if kind else f"-{prefix}port="
        script, changed = re.subn(rf"{re.escape(option)}\d+", f"{option}{port}", script)
        assert changed == 1
    filer, master = (f"{ports[name]}.{ports[f'{name}.grpc']}" for name in ("filer", "master"))
    return script.replace("8888.18888", filer).replace("9333.19333", master)


def rights_of(identities: Any) -> set[tuple[str, str, str]]:
    """Return who may do what with which objects, of the store's configuration."""
    return {
        (policy["name"], statement["Resource"], statement["Action"])
        for policy in identities["policies"]
        for statement in json.loads(policy["content"])["Statement"]
    }


@pytest.mark.parametrize(("families", "address"), [([], HOST), (["IPv6"], "[::1]")], ids=["IPv4", "IPv6"])
async def test_the_object_store_knows_two_identities_and_one_bucket(
    families: list[str], address: str, tmp_path: Path
) -> None:
    async with object_store_program(tmp_path, address, families) as program:
        await program.store_when_ready("images/originals/a")
        with await asyncio.to_thread(
            program.client("inference").get_object, "loupe", "images/originals/a"
        ) as answer:
            read = answer.read()
        with pytest.raises(S3Error) as caught:
            await asyncio.to_thread(program.client("images").make_bucket, "other")
        async with grpc.aio.insecure_channel(f"{address}:{program.ports['s3.grpc']}") as stranger:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stranger.unary_unary("/messaging_pb.SeaweedS3IamCache/PutIdentity")(b"", timeout=10)
        identities = json.loads((tmp_path / "s3.json").read_text())

    assert read == b"pixels"
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    assert rights_of(identities) == {
        (name, f"arn:aws:s3:::loupe{resource}", action)
        for name in object_store.SERVICES
        for resource, actions in object_store.RIGHTS[name].items()
        for action in actions
    }
    assert caught.value.code == "AccessDenied"


async def test_the_object_store_ends_once_its_full_disk_has_room_again(tmp_path: Path) -> None:
    """Its index would refuse all writes. The kubelet starts the container again."""
    log = tmp_path / "log"
    with disks.small_disk(tmp_path / "data", mebibytes=256) as disk:
        if disk is None:
            pytest.skip("only root can mount a small disk")
        async with object_store_program(tmp_path) as program:
            await program.store_when_ready("images/upscaled/a")
            disks.fill(disk)
            with pytest.raises((MinioException, HTTPError)):
                await program.store_often("images/upscaled/b")
            await until(lambda: "the disk is full" in log.read_text())
            is_running = "has room again" not in log.read_text()
            disks.free(disk)
            await until(lambda: "the disk was full and has room again" in log.read_text())

    assert is_running
