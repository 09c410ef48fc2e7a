"""The object store takes objects again once its full disk has room."""

import asyncio
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from minio import Minio
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from loupe_local import object_store
from loupe_local.full_disk import FullDisk
from loupe_local.state import State
from loupe_local.supervisor import Supervisor
from tests.chaos import disks
from tests.polling import until

RESULT = "images/upscaled/result.png"


async def is_stored(client: Minio) -> bool:
    """Return whether the store takes an object."""
    try:
        await asyncio.to_thread(client.put_object, "loupe", RESULT, BytesIO(bytes(65536)), 65536)
    except (MinioException, HTTPError):
        return False
    return True


async def is_refused(client: Minio) -> bool:
    return not await is_stored(client)


async def test_the_object_store_is_started_anew_after_its_disk_was_full(tmp_path: Path) -> None:
    lines = list[str]()
    with disks.small_disk(tmp_path / "objects" / "data", mebibytes=256) as disk:
        if disk is None:
            pytest.skip("only root can mount a small disk")
        state = State(tmp_path)
        store = object_store.object_store(state)
        watch = FullDisk(disk)
        process = replace(object_store.process(store, state), is_stuck=watch.is_over)
        async with Supervisor(tmp_path, lambda _, line: lines.append(line)) as supervisor:
            await supervisor.start(process)
            client = store.client("inference")
            before = await is_stored(client)
            disks.fill(disk)
            await until(lambda: is_refused(client))  # some pages of the index still have room
            await until(lambda: watch.was_full)
            disks.free(disk)
            await until(lambda: "ready again" in lines, seconds=60)
            after = await is_stored(client)

    assert (before, after) == (True, True)
    assert "it is stuck, and is stopped" in lines
