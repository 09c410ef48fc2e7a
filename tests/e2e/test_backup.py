"""A backup of databases, objects and one secret is enough. All else may be new, and gaps are repaired.

One installation is prepared, backed up and deleted. Each test then checks the restored one (fixture `after`).
"""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import nats
import pytest
from PIL import Image

from loupe_local.log import to_file
from loupe_local.process import output_of
from loupe_local.services import Services
from loupe_local.stack import Stack, stack
from loupe_local.stores import Servers
from tests.client import (
    client_of,
    count_used_images,
    download_result,
    get_image,
    upload_image,
    upscale,
    wait_for_status,
    wait_until_used,
)
from tests.contract.api_client import until_deleted
from tests.e2e.backups import QUICK, Backup, dump, read_objects, read_rows, restored_services, until_row
from tests.e2e.batching import create_batch, photos_of, read_batch, until_ended
from tests.gateway.harness import People
from tests.pixels import encoded

PHOTO = encoded(Image.effect_noise((48, 32), 80).convert("RGB"))
STATE = "SELECT state FROM reservation WHERE id = %s"


@dataclass(frozen=True, kw_only=True)
class Before:
    """The images of the first installation: from before, during and after the backup."""

    token: str
    backup: Backup
    completed: int
    result: bytes
    batch: dict[str, Any]
    unbilled: int
    """Completed, but its event was lost before billing received it."""
    pending: int
    deleted: int
    """Deleted between the dump of its row and the copy of its objects."""
    accepted_during: int
    accepted_after: int
    token_after: str


@dataclass(frozen=True, kw_only=True)
class Restored:
    before: Before
    services: Services
    jane: httpx2.AsyncClient

    async def reservation(self, image_id: int) -> str:
        [(found,)] = await read_rows(
            self.services.stores, "images", "SELECT reservation_id::text FROM image WHERE id = %s", image_id
        )
        return found

    async def admin(self, *arguments: str) -> list[dict[str, Any]]:
        settings = {f"LOUPE_{name.upper()}": value for name, value in self.services.admin.items()}
        argv = [sys.executable, "-m", "gateway.admin", "--json", *arguments]
        status, output = await output_of(argv, env=settings)
        assert status == 0, output
        return [json.loads(line) for line in output.splitlines()]


@pytest.fixture(scope="module")
async def after(tmp_path_factory: pytest.TempPathFactory, servers: Servers) -> AsyncGenerator[Restored]:
    first, second, dumps = (tmp_path_factory.mktemp(name) for name in ("first", "second", "dumps"))
    sink = to_file(second / "log-of-the-first")
    async with (
        stack(first / "state", sink=sink, durable=False, overrides=QUICK, servers=servers) as running,
        client_of(running, running.token) as jane,
    ):
        before = await prepare_and_back_up(running, jane, dumps)
    shutil.rmtree(first)
    async with (
        restored_services(second / "new", before.backup, servers, hours_later=5) as services,
        httpx2.AsyncClient(base_url=services.api, timeout=30) as jane,
    ):
        jane.headers["Authorization"] = f"Bearer {before.token}"
        yield Restored(before=before, services=services, jane=jane)


async def prepare_and_back_up(running: Stack, jane: httpx2.AsyncClient, dumps: Path) -> Before:
    """Create images in every state, make the backup, and create more that it does not contain."""
    supervisor = running.stores.supervisor
    completed = await upload_image(jane, PHOTO)
    result = await download_result(jane, completed)
    batch = await until_ended(jane, (await create_batch(jane, photos_of(2)))["id"])
    deleted = await upload_image(jane, PHOTO)
    await wait_for_status(jane, deleted, "completed")
    await wait_until_used(jane, 4)
    unbilled = await complete_unbilled(running, jane)
    await supervisor.stop("inference")
    pending = await upload_once_available(jane)

    await dump(running.stores, "images", dumps)
    accepted_during = await upload_image(jane, PHOTO)
    keys = [(await get_image(jane, deleted))[name] for name in ("original_path", "upscaled_path")]
    await jane.delete(f"/api/images/{deleted}")
    await until_deleted(running, *keys)
    await dump(running.stores, "billing", dumps)
    await dump(running.stores, "auth", dumps)
    objects = await read_objects(running.stores)

    await supervisor.restart("inference")
    accepted_after = await upload_image(jane, PHOTO)
    await wait_for_status(jane, accepted_after, "completed")
    person = await People(running).new("professional")
    return Before(
        token=running.token,
        backup=Backup(dumps=dumps, objects=objects, auth_secret=running.services.secrets["auth"]),
        completed=completed,
        result=result,
        batch=batch,
        unbilled=unbilled,
        pending=pending,
        deleted=deleted,
        accepted_during=accepted_during,
        accepted_after=accepted_after,
        token_after=person.token,
    )


async def upload_once_available(jane: httpx2.AsyncClient) -> int:
    """Upload the photo. Repeat while the answer is 503: images finds its restarted callee a moment later."""
    async with asyncio.timeout(60):
        while (answer := await upscale(jane, PHOTO)).status_code == 503:
            await asyncio.sleep(0.1)
    assert answer.status_code == 202, answer.text
    return answer.json()["data"]["id"]


async def complete_unbilled(running: Stack, jane: httpx2.AsyncClient) -> int:
    """Complete an image, and delete its event from the stream before billing receives it."""
    supervisor = running.stores.supervisor
    await supervisor.stop("inference")
    image_id = await upload_image(jane, PHOTO)
    await supervisor.stop("billing")
    await supervisor.restart("inference")
    await wait_for_status(jane, image_id, "completed")
    await until_row(running.stores, "images", 0, "SELECT count(*) FROM outbox")
    client = await nats.connect(running.stores.nats_url("operator"))
    await client.jetstream().purge_stream("IMAGES")
    await client.close()
    await supervisor.restart("billing")
    return image_id


async def test_tokens_from_before_the_backup_work_and_later_tokens_do_not(after: Restored) -> None:
    user = await after.jane.get("/api/user")
    stranger = await after.jane.get(
        "/api/user", headers={"Authorization": f"Bearer {after.before.token_after}"}
    )

    assert (user.status_code, user.json()["data"]["pricing_plan"]["slug"]) == (200, "professional")
    assert stranger.status_code == 401


async def test_a_completed_image_downloads_unchanged(after: Restored) -> None:
    result = await download_result(after.jane, after.before.completed)

    assert result == after.before.result


async def test_a_batch_is_complete_with_all_its_results(after: Restored) -> None:
    found = await read_batch(after.jane, after.before.batch["id"])

    for name in ("status", "completed_images", "created_at", "completed_at"):
        assert found[name] == after.before.batch[name]
    for one in found["images"]:
        assert (
            await download_result(after.jane, one["id"]) == after.before.backup.objects[one["upscaled_path"]]
        )


async def test_a_pending_image_completes_and_is_charged_once(after: Restored) -> None:
    await wait_for_status(after.jane, after.before.pending, "completed")

    reservation = await after.reservation(after.before.pending)
    await until_row(after.services.stores, "billing", "captured", STATE, reservation)
    entries = "SELECT sum(change) FROM ledger_entry WHERE reservation_id = %s"
    assert await read_rows(after.services.stores, "billing", entries, reservation) == [(1,)]


@pytest.mark.parametrize("name", ["accepted_during", "accepted_after"])
async def test_images_from_after_the_dump_are_not_found(after: Restored, name: str) -> None:
    answer = await after.jane.get(f"/api/images/{getattr(after.before, name)}")

    assert answer.status_code == 404


async def test_an_outcome_that_billing_missed_is_charged_by_a_replay(after: Restored) -> None:
    reservation = await after.reservation(after.before.unbilled)
    await until_row(after.services.stores, "billing", "expired", STATE, reservation)

    [answer] = await after.admin("endings", "replay", "--since", "24h")

    assert int(answer["replayed"]) >= 5
    await until_row(after.services.stores, "billing", "captured", STATE, reservation)


async def test_an_image_without_its_objects_is_listed_and_fails_when_marked(after: Restored) -> None:
    listed = await after.admin("objects", "check")
    await after.admin("objects", "check", "--mark")
    again = await after.admin("objects", "check")

    failed = await get_image(after.jane, after.before.deleted)
    assert [one.get("image_id") for one in listed] == [after.before.deleted, None]
    assert [one.get("image_id") for one in again] == [None]
    assert (failed["status"], failed["error"]["code"]) == ("failed", "object_lost")


async def test_every_completed_image_is_counted_once_and_nothing_else(after: Restored) -> None:
    """Five images had completed, one was pending. The reservation without an image has expired."""
    await wait_for_status(after.jane, after.before.pending, "completed")
    await after.admin("endings", "replay", "--since", "24h")

    await wait_until_used(after.jane, 6)

    states = "SELECT state, count(*) FROM reservation GROUP BY state ORDER BY state"
    assert await read_rows(after.services.stores, "billing", states) == [("captured", 6), ("expired", 1)]
    ledger = "SELECT sum(change) FROM ledger_entry"
    assert await read_rows(after.services.stores, "billing", ledger) == [(6,)]


async def test_new_images_are_processed_and_counted(after: Restored) -> None:
    before = await count_used_images(after.jane)

    result = await download_result(after.jane, await upload_image(after.jane, PHOTO))

    assert result
    await wait_until_used(after.jane, before + 1)
