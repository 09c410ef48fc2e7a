"""Batches that programs have made: progress, failures, another try, and all results at once."""

import zipfile
from pathlib import Path

from playwright.async_api import expect

from loupe_local.stack import Stack
from tests.client import pause_worker
from tests.console.conftest import NewVisitor
from tests.gateway.harness import Harness, People, Person

NAME = "Product photos"


async def send_batch(gateway: Harness, person: Person, photos: list[Path]) -> int:
    async with gateway.client(person.token) as client:
        files = [("images[]", (photo.name, photo.read_bytes())) for photo in photos]
        answer = await client.post("/api/batches", files=files, data={"name": NAME, "scale_factor": "2"})
    return answer.json()["data"]["id"]


async def test_a_batch_shows_its_progress_and_its_results_come_as_one_archive(
    visit: NewVisitor, gateway: Harness, people: People, photos: list[Path], tmp_path: Path
) -> None:
    person = await people.new("professional")
    visitor = await visit()
    await visitor.enter(person)
    page = visitor.page
    await page.get_by_role("link", name="History").click()
    await page.get_by_role("link", name="Batches").click()
    await visitor.sees("There are no batches yet.")

    batch_id = await send_batch(gateway, person, photos)
    await visitor.open(f"/batches/{batch_id}")
    await visitor.sees("Done: 3 of 3 pictures are done")
    await expect(page.locator(".tile")).to_have_count(3)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download all (ZIP)").click()
    await (await download.value).save_as(tmp_path / "results.zip")
    await page.get_by_role("link", name="Loupe").click()
    async with page.expect_download() as all_at_once:
        await page.get_by_role("button", name="Download all 3").click()

    with zipfile.ZipFile(tmp_path / "results.zip") as archive:
        assert len(archive.namelist()) == len(photos) + 1  # the report
    assert (await all_at_once.value).suggested_filename == f"{NAME}.zip"


async def test_a_cancelled_batch_can_be_tried_again_whole_or_image_by_image(
    visit: NewVisitor, gateway: Harness, stack: Stack, people: People, photos: list[Path]
) -> None:
    person = await people.new("professional")
    visitor = await visit()
    await visitor.enter(person)
    page = visitor.page
    page.on("dialog", lambda dialog: dialog.accept())

    with pause_worker(stack):
        await send_batch(gateway, person, photos)
        await visitor.open("/batches")
        await page.get_by_role("button", name="Cancel").click()
        await visitor.sees("Cancelled: 0 of 3 pictures are done, 3 failed")
        await page.get_by_role("link", name="Pictures").click()
        await page.get_by_role("button", name=f"Try again {photos[0].name}").click()
        await expect(page.get_by_role("button", name="Try again")).to_have_count(2)
        await page.get_by_role("link", name="Batches").click()
        await page.get_by_role("button", name="Try 2 again").click()
        await expect(page.get_by_role("button", name="Try 2 again")).to_have_count(0)

    await visitor.sees("Done: 3 of 3 pictures are done")
