"""The SDK does what a user's first lines say, in both its forms."""

import asyncio
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from loupe_client import AsyncLoupe, ImageFailed, Loupe, errors
from loupe_client.models import AuditEntry
from loupe_local.stack import Stack
from tests.client import pause_worker
from tests.clients.conftest import SIZE, size_of, used
from tests.gateway.harness import People
from tests.polling import until


async def test_one_line_upscales_a_photo_and_saves_it(stack: Stack, photo_file: Path, tmp_path: Path) -> None:
    def two_lines() -> Path:
        with Loupe(stack.api, stack.token) as loupe:
            return loupe.upscale(photo_file, scale=4).save(tmp_path / "large.jpg")

    saved = await asyncio.to_thread(two_lines)

    assert size_of(saved) == (SIZE[0] * 4, SIZE[1] * 4)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


async def test_the_asynchronous_twin_does_the_same(
    loupe: AsyncLoupe, photo_file: Path, tmp_path: Path
) -> None:
    upscaled = await loupe.upscale(str(photo_file), width=SIZE[0] * 2, format="png")
    saved = await upscaled.save(tmp_path)

    assert size_of(saved) == (SIZE[0] * 2, SIZE[1] * 2)
    assert saved == tmp_path / "photo.png"
    assert await upscaled.read() == saved.read_bytes()


async def test_bytes_and_open_files_are_sources_too(loupe: AsyncLoupe, photo_file: Path) -> None:
    with photo_file.open("rb") as file:
        first = await loupe.images.submit(file)
    second = await loupe.images.submit(photo_file.read_bytes(), filename="my cat.jpg")

    assert (first.original_filename, second.original_filename) == ("photo.jpg", "my cat.jpg")
    assert (await loupe.images.wait(first.id)).status == "completed"
    assert (await loupe.images.wait(second.id)).status == "completed"


async def test_a_wait_reports_changes_and_ends_in_time(
    loupe: AsyncLoupe, stack: Stack, photo_file: Path
) -> None:
    heard: list[str] = []
    with pause_worker(stack):
        accepted = await loupe.images.submit(photo_file)
        with pytest.raises(errors.WaitTimedOut):
            await loupe.images.wait(accepted.id, timeout=1)

    image = await loupe.images.wait(accepted.id, on_change=lambda image: heard.append(image.status))

    assert image.status == "completed"
    assert heard[-1] == "completed"


async def test_a_failed_image_is_an_error_with_its_code(
    loupe: AsyncLoupe, stack: Stack, photo_file: Path
) -> None:
    with pause_worker(stack):
        batch = await loupe.batches.submit([photo_file], name="One")
        await loupe.batches.delete(batch.id)

        with pytest.raises(ImageFailed) as caught:
            await loupe.images.wait(batch.images[0].id)

    assert (caught.value.code, caught.value.retryable) == ("cancelled", True)


async def test_a_batch_ends_with_all_its_images(loupe: AsyncLoupe, photo_file: Path) -> None:
    accepted = await loupe.batches.submit([photo_file, photo_file.read_bytes()], scale=2)
    batch = await loupe.batches.wait(accepted.id)

    assert (batch.status, batch.completed_images) == ("completed", 2)
    assert [image.status for image in batch.images] == ["completed"] * 2


async def test_an_iterator_reads_all_pages(
    loupe: AsyncLoupe, people: People, stack: Stack, photo_file: Path
) -> None:
    person = await people.new("starter")
    async with AsyncLoupe(stack.api, person.token) as own:
        submitted = [(await own.images.submit(photo_file)).id for _ in range(3)]

        listed = [image.id async for image in own.images.list(per_page=2)]

    assert listed == submitted[::-1]


async def test_a_deleted_image_is_not_found(loupe: AsyncLoupe, photo_file: Path) -> None:
    upscaled = await loupe.upscale(photo_file)
    await upscaled.delete()

    with pytest.raises(errors.NotFound) as caught:
        await loupe.images.get(upscaled.image.id)

    assert caught.value.code == "image_not_found"
    assert caught.value.request_id


async def test_events_name_what_happens(loupe: AsyncLoupe, photo_file: Path) -> None:
    accepted = await loupe.images.submit(photo_file)
    await loupe.images.wait(accepted.id)

    async def first_end() -> int:
        async for event in loupe.events.follow(types=["image.completed"], last_event_id=None):
            assert event.image
            return event.image.id
        return 0

    following = asyncio.create_task(first_end())
    another = (await loupe.upscale(photo_file)).image.id
    while not following.done():
        another = (await loupe.upscale(photo_file)).image.id

    assert following.result() <= another
    assert following.result() > accepted.id


async def test_an_account_reads_what_happened_to_it(loupe: AsyncLoupe) -> None:
    created = (await loupe.tokens.create("short", abilities=["images:read"])).token
    found = list[AuditEntry]()

    async def is_audited() -> bool:
        entries = loupe.account.audit(event="token.created", start=created.created_at)
        found.extend([entry async for entry in entries])
        return bool(found)

    await until(is_audited)
    later = [one async for one in loupe.account.audit(start=datetime.now(UTC) + timedelta(hours=1))]

    assert (found[0].details["token_id"], found[0].actor) == (str(created.id), "user")
    assert later == []


async def test_an_account_reads_its_usage_models_plans_and_tokens(loupe: AsyncLoupe) -> None:
    usage = await loupe.account.usage()
    history = await loupe.account.usage_history(by="month")
    created = await loupe.tokens.create("short", abilities=["images:read"])
    tokens = await loupe.tokens.list()
    await loupe.tokens.revoke(created.token.id)

    assert usage.plan == "professional"
    assert history.entries[-1].used == usage.image_uploads.used
    assert "auto" in {model.name for model in await loupe.models()}
    assert "free" in {plan.slug for plan in await loupe.plans()}
    assert created.token.id in {token.id for token in tokens}
    assert (await loupe.account.get()).pricing_plan.slug == "professional"


async def test_a_login_returns_a_token_that_works(people: People, stack: Stack) -> None:
    person = await people.new()
    async with AsyncLoupe(stack.api, "none") as stranger:
        session = await stranger.account.login(person.email, "Correct-Horse-1", device_name="laptop")

    async with AsyncLoupe(stack.api, session.token) as known:
        assert (await known.account.get()).id == person.id
        await known.account.logout()
        with pytest.raises(errors.Unauthenticated):
            await known.account.get()


async def test_a_key_makes_one_image_however_often_the_call_is_repeated(
    own: AsyncLoupe, photo_file: Path
) -> None:
    first = await own.images.submit(photo_file, idempotency_key="the-same-call")
    again = await own.images.submit(photo_file, idempotency_key="the-same-call")
    with pytest.raises(errors.IdempotencyKeyReused):
        await own.images.submit(photo_file, scale=3, idempotency_key="the-same-call")

    assert first.id == again.id
    assert await used(own) == 1


async def test_a_direct_upload_does_not_pass_through_the_api(own: AsyncLoupe, photo_file: Path) -> None:
    accepted = await own.images.submit_directly(photo_file, scale=3)

    image = await own.images.wait(accepted.id)

    assert (image.original_filename, image.scale_factor) == ("photo.jpg", 3)


async def test_an_estimate_costs_nothing(own: AsyncLoupe) -> None:
    estimate = await own.images.estimate(1920, 1080, scale=2)

    assert estimate.accepted
    assert estimate.result
    assert (estimate.result.width, estimate.result.height) == (3840, 2160)
    assert await used(own) == 0


async def test_a_batch_gives_its_images_its_report_and_its_archive(
    own: AsyncLoupe, photo_file: Path, tmp_path: Path
) -> None:
    accepted = await own.batches.submit([photo_file, photo_file.read_bytes()])
    batch = await own.batches.wait(accepted.id)

    archive = await own.batches.archive(batch.id, tmp_path / "all.zip")

    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        assert len(opened.namelist()) == 3
    assert [image.id async for image in own.batches.images(batch.id)] == [
        image.id for image in accepted.images
    ]
    assert len((await own.batches.report(batch.id)).splitlines()) == 3


async def test_webhooks_are_made_changed_and_deleted(own: AsyncLoupe) -> None:
    made = await own.webhooks.create("https://127.0.0.1/loupe", types=["image.completed"])
    changed = await own.webhooks.update(made.webhook.id, is_enabled=False)
    rotated = await own.webhooks.rotate_secret(made.webhook.id)
    listed = [webhook.id for webhook in await own.webhooks.list()]
    await own.webhooks.delete(made.webhook.id)

    assert made.secret.startswith("whsec_")
    assert rotated.secret not in ("", made.secret)
    assert not changed.is_enabled
    assert listed == [made.webhook.id]
    assert await own.webhooks.list() == []


async def test_a_repeated_delete_that_finds_nothing_is_a_success() -> None:
    body = b'{"success":false,"message":"Image not found.","code":"image_not_found","request_id":"a"}'
    connections = 0

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        if connections != 1:  # the first answer is lost
            head = f"HTTP/1.1 404 Not Found\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with AsyncLoupe(url, "token") as loupe:
            await loupe.images.delete(42)
            with pytest.raises(errors.NotFound):
                await loupe.images.delete(42)

    assert connections == 3
