"""Tokens, usage, profile, password and language."""

from playwright.async_api import expect
from pyotp.totp import TOTP

from tests.console.conftest import NewVisitor
from tests.gateway.harness import PASSWORD, Harness, People

NEW_PASSWORD = "Another-horse-1"


async def test_a_token_is_shown_once_works_and_can_be_revoked(
    visit: NewVisitor, gateway: Harness, people: People
) -> None:
    visitor = await visit()
    await visitor.enter(await people.new())
    page = visitor.page
    await page.get_by_role("link", name="API").click()
    await page.get_by_label("Name").fill("Backup program")
    await page.get_by_role("checkbox", name="Make images").uncheck()

    await page.get_by_role("button", name="Create a token").click()
    text = await page.locator("code").inner_text()
    async with gateway.client(text) as client:
        assert (await client.get("/api/user")).status_code == 200
        await page.get_by_role("button", name="Revoke Backup program").click()
        await expect(page.get_by_role("button", name="Revoke Backup program")).to_have_count(0)
        assert (await client.get("/api/user")).status_code == 401
    await page.reload()

    assert text not in await page.content()


async def test_usage_shows_the_plan_and_the_images_of_each_day(visit: NewVisitor, people: People) -> None:
    visitor = await visit()
    person = await people.new("professional")
    await people.operator.set_quota(person.email, 7)
    await visitor.enter(person)

    await visitor.page.get_by_role("link", name="Usage").click()

    await visitor.sees("0 of 7 images")
    await visitor.sees("Your plan: professional.")
    await visitor.sees("No images in this time.")


async def test_a_new_name_and_a_new_password_are_saved(visit: NewVisitor, people: People) -> None:
    visitor, person = await visit(), await people.new()
    visitor.may_be_refused = True
    await visitor.enter(person)
    page = visitor.page
    await page.get_by_role("link", name="Account").click()

    await page.get_by_label("Name", exact=True).fill("Grace")
    await page.get_by_role("button", name="Save").click()
    await visitor.sees("Saved.")
    await page.get_by_label("Current password").fill("Wrong-horse-1")
    await page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    await page.get_by_label("The new password again").fill(NEW_PASSWORD)
    await page.get_by_role("button", name="Change password").click()
    await visitor.sees("The current password is incorrect.")
    await page.get_by_label("Current password").fill(PASSWORD)
    await page.get_by_role("button", name="Change password").click()
    await visitor.sees("Your password is changed.")
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await page.get_by_role("heading", name="Sign in").wait_for()
    await visitor.sign_in(person, NEW_PASSWORD)

    await page.get_by_role("heading", name="Account").wait_for()
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Grace")


async def test_the_activity_shows_logins_also_refused_ones(visit: NewVisitor, people: People) -> None:
    visitor, person = await visit(), await people.new()
    visitor.may_be_refused = True
    await visitor.open()
    await visitor.sign_in(person, "Wrong-horse-1")
    await visitor.sees("The provided credentials are incorrect.")
    await visitor.sign_in(person)
    page = visitor.page
    await page.get_by_role("link", name="Account", exact=True).click()

    await page.get_by_role("link", name="Activity").click()

    await visitor.sees("Sign-in refused: unknown address or wrong password")
    await page.get_by_text("Details").first.click()
    await visitor.sees("Mozilla/")


async def test_a_second_factor_is_set_up_asked_for_and_switched_off(
    visit: NewVisitor, people: People
) -> None:
    visitor, person = await visit(), await people.new()
    visitor.may_be_refused = True
    await visitor.enter(person)
    page = visitor.page
    await visitor.open("/account")
    await page.get_by_role("button", name="Set it up").click()
    await page.get_by_role("img", name="Second factor").wait_for()
    codes = TOTP(await page.locator("code").inner_text())

    await page.get_by_label("Code of the app").fill(codes.now())
    await page.get_by_role("button", name="Switch it on").click()
    await visitor.sees("On. Each sign-in asks for a code.")
    recovery = (await page.locator("code").inner_text()).split()
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await page.get_by_role("heading", name="Sign in").wait_for()
    await visitor.sign_in(person)
    await page.get_by_label("Code of your second factor").fill(recovery[0])
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_label("Code of the app").fill(recovery[1])
    await page.get_by_role("button", name="Switch it off").click()

    await page.get_by_role("button", name="Set it up").wait_for()


async def test_the_console_speaks_german_too(visit: NewVisitor, people: People) -> None:
    visitor = await visit(locale="de-DE")
    page = visitor.page
    await visitor.open()
    await page.get_by_role("heading", name="Anmelden").wait_for()
    person = await people.new()
    await page.get_by_label("E-Mail-Adresse").fill(person.email)
    await page.get_by_label("Passwort", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Anmelden").click()
    await page.get_by_role("link", name="Konto", exact=True).click()
    await page.get_by_role("link", name="Aktivität").click()
    await page.get_by_text("Einzelheiten").first.click()
    names = await page.locator("details[open] dt").all_inner_texts()
    await page.get_by_role("link", name="Profil").click()

    assert names == ["Token", "Browser oder Programm", "Anfrage"]
    await page.get_by_label("Sprache").select_option("en")

    await page.get_by_role("heading", name="Account").wait_for()
    assert await page.locator("html").get_attribute("lang") == "en"
