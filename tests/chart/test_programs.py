"""Run the chart's own programs against real servers, with the commands in the rendered objects."""

import asyncio
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import pytest
from minio import Minio
from minio.error import S3Error
from urllib3.exceptions import HTTPError

from loupe_local import object_store
from loupe_local.ports import HOST, allocate
from loupe_local.stack import Stack
from tests.chart.environment import environment
from tests.chart.helm import DEFAULT, release
from tests.chart.programs import argv_of, container_of, eventually, run, running


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
    chart = release(DEFAULT, **{"global": {"ipFamilies": families}})
    container = container_of(chart, "object-store")
    names = ("s3", "master", "volume", "filer", "admin")
    ports = allocate([*names, *(f"{name}.grpc" for name in names)], {})
    filer = f"{ports['filer']}.{ports['filer.grpc']}"
    (tmp_path / "data").mkdir()
    certificates = tmp_path / "certificates"
    (preparation,) = next(pod for pod in chart.pods if pod.component == "object-store").spec["initContainers"]
    await run([*argv_of(preparation)[:-1], str(certificates)], {})
    everywhere = environment(chart, container)["LISTEN"]
    filled = environment(chart, container) | {
        "LISTEN": address.strip("[]"),
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

    async with running([shell, flag, script], filled, tmp_path / "log"):
        images, inference = (
            Minio(
                f"{address}:{ports['s3']}",
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
        async with grpc.aio.insecure_channel(f"{address}:{ports['s3.grpc']}") as stranger:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stranger.unary_unary("/messaging_pb.SeaweedS3IamCache/PutIdentity")(b"", timeout=10)
        identities = json.loads((tmp_path / "s3.json").read_text())
    object_store.remove_sockets(object_store.ObjectStore(ports=ports, keys={}))

    assert everywhere == ("::" if families else "0.0.0.0")  # noqa: S104  as the chart writes it
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
    address = {"TEST_ADDRESS": "helm-*@example.com"}

    output = await run(argv_of(container), where | admin | address)

    assert re.search(r"a picture was upscaled to \(128, 128\) in [\d.]+ s", output)
