"""A person drops pictures, watches them arrive, compares and downloads them, and finds them again."""

from pathlib import Path

from PIL import Image
from playwright.async_api import expect

from tests.console.conftest import NewVisitor
from tests.gateway.harness import People
from tests.outbound.servers import answer, host

TIMES = "\N{MULTIPLICATION SIGN}"
DROP = """async (files) => {
  const transfer = new DataTransfer();
  for (const { name, data } of files) {
    transfer.items.add(new File([Uint8Array.from(data)], name));
  }
  for (const type of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true }));
  }
}"""


async def test_pictures_that_are_dropped_arrive_can_be_compared_and_downloaded(
    visit: NewVisitor, people: People, photos: list[Path], tmp_path: Path
) -> None:
    visitor = await visit()
    await visitor.enter(await people.new("professional"))
    page = visitor.page

    dropped = [{"name": photo.name, "data": list(photo.read_bytes())} for photo in photos]
    await page.evaluate(DROP, dropped)
    await visitor.send()
    await visitor.until_done(photo.name for photo in photos)
    await visitor.sees("3 done, 0 under way")

    await page.get_by_role("link", name=f"Compare {photos[0].name}").click()
    stage = page.get_by_role("application")
    await expect(stage.get_by_alt_text("After")).to_be_visible()
    for picture in await stage.locator("img").all():
        assert await picture.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
    await visitor.sees(f"96 {TIMES} 96 → 192 {TIMES} 192")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download").click()
    await (await download.value).save_as(tmp_path / "result.png")
    with Image.open(tmp_path / "result.png") as result:
        assert result.size == (192, 192)


async def test_an_estimate_says_what_the_chosen_pictures_become_before_they_are_sent(
    visit: NewVisitor, people: People, photos: list[Path]
) -> None:
    person = await people.new("professional")
    await people.operator.set_quota(person.email, 2)
    visitor = await visit()
    await visitor.enter(person)
    page = visitor.page

    await visitor.choose(photos[0], sends=False)
    await visitor.sees(f"96 {TIMES} 96 → 192 {TIMES} 192")
    await visitor.sees("then 1 of this month's 2 images are left")
    await page.get_by_text(f"4{TIMES}").click()
    await visitor.sees(f"96 {TIMES} 96 → 384 {TIMES} 384")
    await visitor.choose(*photos[1:], sends=False)
    await visitor.sees("2 images are left this month, and you have chosen 3")
    await page.get_by_text("More options").click()
    await page.get_by_label("Quality").fill("500")
    await visitor.sees("The quality must be")
    await page.get_by_label("Quality").fill("")
    await page.get_by_label("Model").select_option("enhance")
    async with page.expect_request(lambda sent: '"strength":"0.95"' in (sent.post_data or "")):
        await page.get_by_label("Strength").press("ArrowLeft")
    await page.get_by_label("Model").select_option("auto")
    await page.get_by_role("button", name=f"Remove {photos[0].name}").click()
    await visitor.send()

    await visitor.until_done(photo.name for photo in photos[1:])
    await visitor.sees("2 done, 0 under way")


async def test_pictures_can_come_from_addresses_one_after_the_other(
    visit: NewVisitor, people: People, photos: list[Path]
) -> None:
    visitor = await visit()
    visitor.may_be_refused = True
    await visitor.enter(await people.new("professional"))
    page = visitor.page
    await page.get_by_role("button", name="From a link").click()
    address = page.get_by_label("Address of a picture on the internet")

    await address.fill("http://127.0.0.1/photo.png")
    await page.get_by_role("button", name="Upscale it").click()

    await visitor.sees("The image url")
    await expect(address).to_have_value("http://127.0.0.1/photo.png")
    async with host(answer(photos[0].read_bytes(), Content_Type="image/png")) as server:
        for number in (1, 2):
            await address.fill(server.url)
            await page.get_by_role("button", name="Upscale it").click()
            await expect(address).to_have_value("")
            await expect(page.locator(".work .name", has_text="photo.jpg")).to_have_count(number)


async def test_the_divider_the_zoom_and_the_lens_obey_the_keyboard(
    visit: NewVisitor, people: People, photos: list[Path]
) -> None:
    visitor = await visit()
    await visitor.enter(await people.new("professional"))
    page = visitor.page
    await visitor.choose(photos[0])
    await page.get_by_role("link", name=f"Compare {photos[0].name}").click(timeout=60_000)

    divider = page.get_by_role("slider")
    await divider.press("ArrowLeft")
    await expect(divider).to_have_attribute("aria-valuenow", "48")

    stage = page.get_by_role("application")
    picture = stage.get_by_alt_text("After")
    for key in ("1", "+", "+", "+"):
        await stage.press(key)
    await expect(page.get_by_role("button", name="8:1")).to_have_attribute("aria-pressed", "true")
    before = await picture.bounding_box()
    await stage.press("ArrowRight")
    after = await picture.bounding_box()
    assert before
    assert after
    assert after["x"] < before["x"]
    await stage.press("0")
    await expect(page.get_by_role("button", name="Fit")).to_have_attribute("aria-pressed", "true")

    await page.get_by_role("button", name="Side by side").click()
    await expect(stage.locator(".half")).to_have_count(2)
    await page.get_by_role("button", name="Lens").click()
    await stage.press("1")
    await expect(page.get_by_role("button", name="1:1")).to_have_attribute("aria-pressed", "true")
    await expect(stage.locator(".glass img")).to_have_count(2)


async def test_pictures_are_still_there_after_a_reload_and_in_the_history(
    visit: NewVisitor, people: People, photos: list[Path]
) -> None:
    visitor = await visit()
    await visitor.enter(await people.new("professional"))
    page = visitor.page
    await visitor.choose(*photos[:2])
    await visitor.until_done(photo.name for photo in photos[:2])

    await page.reload()
    await visitor.until_done(photo.name for photo in photos[:2])
    await page.get_by_role("link", name="History").click()
    await page.get_by_role("button", name="Select").click()
    await page.get_by_role("checkbox", name=f"Select {photos[0].name}").check()
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Delete 1").click()

    await expect(page.locator(".tile")).to_have_count(1)
    await expect(page.locator(".tile")).to_contain_text(photos[1].name)


async def test_a_second_tab_sees_the_same_pictures_arrive(
    visit: NewVisitor, people: People, photos: list[Path]
) -> None:
    visitor = await visit()
    await visitor.enter(await people.new("professional"))
    other = await visit(beside=visitor)
    await other.open()
    await other.sees("Your pictures appear here.")

    await visitor.choose(photos[0])

    await other.until_done([photos[0].name])


async def test_options_are_used_and_remembered(visit: NewVisitor, people: People, photos: list[Path]) -> None:
    visitor = await visit()
    await visitor.enter(await people.new("professional"))
    page = visitor.page
    await page.get_by_text(f"3{TIMES}").click()
    await page.get_by_label("Format").select_option("webp")

    await visitor.choose(photos[0])
    await visitor.sees(f"96 {TIMES} 96 → 288 {TIMES} 288")
    await page.reload()

    await expect(page.get_by_role("radio", name=f"3{TIMES}")).to_be_checked()
    await expect(page.get_by_label("Format")).to_have_value("webp")
