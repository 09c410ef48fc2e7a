"""Each failure gets a sentence and a way on, and nothing that a person has typed or chosen is lost."""

import secrets
from pathlib import Path

import httpx2
from PIL import Image
from playwright.async_api import expect

from loupe_local.services import CONSOLE
from loupe_local.stack import Stack
from tests.console.conftest import NewVisitor
from tests.console.visitor import SEND
from tests.gateway.broken_line import BrokenLine
from tests.gateway.harness import PASSWORD, Harness, People, gateway_on, settings_of

END_SESSIONS = "UPDATE token SET expires_at = now() WHERE user_id = %s AND console_ends_at IS NOT NULL"


async def test_a_wrong_password_is_said_and_the_address_stays(visit: NewVisitor, people: People) -> None:
    person = await people.new()
    visitor = await visit()
    visitor.may_be_refused = True
    await visitor.open()

    await visitor.sign_in(person, "Wrong-horse-1")

    await visitor.sees("The provided credentials are incorrect.")
    await expect(visitor.page.get_by_label("Email address")).to_have_value(person.email)


async def test_an_unverified_person_can_have_the_mail_sent_again(visit: NewVisitor, people: People) -> None:
    person = await people.new(verified=False)
    visitor = await visit()
    visitor.may_be_refused = True
    await visitor.open()

    await visitor.sign_in(person)
    await visitor.sees(f"Open the link in the mail that we sent to {person.email} first.")
    await visitor.page.get_by_role("button", name="Send the mail again").click()

    await visitor.sees(f"A new mail is on its way to {person.email}.")


async def test_a_registration_ends_with_what_to_do_next(visit: NewVisitor) -> None:
    visitor = await visit()
    visitor.may_be_refused = True
    page, email = visitor.page, f"{secrets.token_hex(6)}@example.com"
    await visitor.open()
    await page.get_by_role("link", name="Create an account").click()
    await page.get_by_label("Your name").fill("Ada")
    await page.get_by_label("Email address").fill(email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("The password again").fill("another")

    await page.get_by_role("button", name="Create account").click()
    await visitor.sees("The password confirmation does not match.")
    await page.get_by_label("The password again").fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()

    await visitor.sees(f"We have sent a mail to {email}.")


async def test_files_that_are_refused_say_why_in_the_words_of_the_api(
    visit: NewVisitor, gateway: Harness, people: People, tmp_path: Path, photos: list[Path]
) -> None:
    person = await people.new("professional")
    document, large = tmp_path / "letter.pdf", tmp_path / "large.png"
    document.write_bytes(b"%PDF-1.7\n" + bytes(2000))
    large.write_bytes(photos[0].read_bytes() + bytes(12 << 20))
    async with gateway.client(person.token) as client:
        files = {"image": (document.name, document.read_bytes())}
        said = (await client.post("/api/images/upscale", files=files)).json()["errors"]["image"][0]
    visitor = await visit()
    visitor.may_be_refused = visitor.may_be_offline = True
    await visitor.enter(person)

    await visitor.choose(document, large, photos[0])

    await visitor.until_done([photos[0].name])
    await visitor.sees(said)
    await expect(visitor.page.get_by_role("alert")).to_have_count(2)
    await expect(visitor.page.get_by_role("alert").filter(has_text="10 MB")).to_have_count(1)
    await expect(visitor.page.get_by_role("button", name=f"Try again {document.name}")).to_be_visible()
    await expect(visitor.page.get_by_role("button", name=f"Try again {large.name}")).to_have_count(0)


async def test_a_used_up_quota_is_said_and_the_file_can_be_sent_again(
    visit: NewVisitor, people: People, photos: list[Path]
) -> None:
    person = await people.new("professional")
    await people.operator.set_quota(person.email, 1)
    visitor = await visit()
    visitor.may_be_refused = True
    await visitor.enter(person)
    await visitor.choose(photos[0])
    await visitor.until_done([photos[0].name])

    await visitor.choose(photos[1])
    await visitor.sees("You have exceeded your monthly image quota.")
    await people.operator.set_quota(person.email, 5)
    await visitor.page.get_by_role("button", name="Try again").click()

    await visitor.until_done([photos[1].name])


async def test_after_a_session_has_ended_the_uploads_go_on_with_the_next_one(
    visit: NewVisitor, checking_gateway: Harness, people: People, photos: list[Path]
) -> None:
    person = await people.new("professional")
    visitor = await visit(gateway=checking_gateway)
    visitor.may_be_refused = True
    await visitor.enter(person)
    await visitor.choose(*photos, sends=False)
    await visitor.sees("are left")  # the estimate has come

    await people.execute_sql("auth", END_SESSIONS, person.id)
    await visitor.page.get_by_role("button", name=SEND).dispatch_event("click")
    dialog = visitor.page.get_by_role("dialog")
    await expect(dialog).to_be_visible(timeout=60_000)
    await dialog.get_by_label("Password", exact=True).fill(PASSWORD)
    await dialog.get_by_role("button", name="Sign in").click()

    await visitor.until_done(photo.name for photo in photos)


async def test_without_a_connection_files_wait_and_go_on_when_it_is_back(
    visit: NewVisitor, people: People, photos: list[Path]
) -> None:
    visitor = await visit()
    visitor.may_be_offline = True
    await visitor.enter(await people.new("professional"))
    context = visitor.page.context

    await context.set_offline(True)
    await visitor.choose(*photos)
    await visitor.sees("Loupe does not answer.")
    async with visitor.page.expect_event("dialog") as asked:  # leaving would lose the files
        await visitor.page.close(run_before_unload=True)
    assert (await asked.value).type == "beforeunload"
    await (await asked.value).dismiss()
    await context.set_offline(False)

    await visitor.until_done(photo.name for photo in photos)


async def test_without_the_broker_pictures_still_arrive_and_the_page_says_that_news_do_not(
    visit: NewVisitor, stack: Stack, checks: None, people: People, photos: list[Path]
) -> None:
    person = await people.new("professional")
    async with (
        BrokenLine(stack.stores.nats_url("gateway")) as line,
        gateway_on(settings_of(stack, console_folder=CONSOLE, nats_url=line.url)) as cut_off,
    ):
        visitor = await visit(gateway=cut_off)
        visitor.may_be_refused = True
        await visitor.enter(person)

        line.cut()
        await visitor.choose(photos[0])
        await visitor.until_done([photos[0].name])
        await visitor.sees("Loupe sends no news at present.")

        await visitor.page.goto("about:blank")  # its event stream would hold the gateway


async def test_a_file_that_is_removed_while_it_waits_is_named_and_the_others_arrive(
    visit: NewVisitor, people: People, photos: list[Path], tmp_path: Path
) -> None:
    visitor = await visit()
    visitor.may_be_offline = True
    await visitor.enter(await people.new("professional"))
    removed = tmp_path / "removed.png"
    removed.write_bytes(photos[0].read_bytes())
    await visitor.choose(removed, photos[1], sends=False)

    removed.unlink()
    await visitor.send()

    await visitor.until_done([photos[1].name])
    await visitor.sees("The file is no longer on your disk.")


async def test_300_files_at_once_are_taken_up_to_the_quota_and_the_rest_can_be_sent_later(
    visit: NewVisitor, gateway: Harness, people: People, tmp_path: Path
) -> None:
    person = await people.new("professional")
    await people.operator.set_quota(person.email, 6)
    visitor = await visit()
    visitor.may_be_refused = True
    await visitor.enter(person)
    files = [tmp_path / f"{number}.png" for number in range(300)]
    for number, file in enumerate(files):
        Image.new("RGB", (8, 8), (number % 256, 0, 0)).save(file)

    await visitor.choose(*files)
    await visitor.sees("You have exceeded your monthly image quota.")
    again = visitor.page.get_by_role("button", name="Try all 294 again")
    await expect(again).to_be_visible()
    await people.operator.set_quota(person.email, 8)
    await again.click()

    await expect(visitor.page.get_by_role("button", name="Try all 292 again")).to_be_visible(timeout=60_000)
    async with gateway.client(person.token) as client:
        assert (await client.get("/api/images")).json()["meta"]["total"] == 8


async def test_signing_out_in_one_tab_signs_out_the_other(visit: NewVisitor, people: People) -> None:
    visitor = await visit()
    await visitor.enter(await people.new())
    other = await visit(beside=visitor)
    other.may_be_refused = visitor.may_be_refused = True
    await other.open("/tokens")
    await other.page.get_by_role("heading", name="Tokens").wait_for()

    await visitor.page.get_by_role("button", name="Sign out").click()
    await visitor.page.get_by_role("heading", name="Sign in").wait_for()

    await other.page.get_by_role("heading", name="Sign in").wait_for(timeout=60_000)


async def test_nobody_who_is_signed_out_reads_anything(gateway: Harness) -> None:
    async with httpx2.AsyncClient(base_url=gateway.url) as client:
        page = await client.get("/console/history")

    assert page.status_code == 200
    assert "eye.png" not in page.text
