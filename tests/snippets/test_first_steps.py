"""Commands that a reader runs one after the other work, and say what is wrong if they do not.

Between them a reader copies values from the answers. A line such as `ID='…'` marks the place.
"""

import asyncio
import re
from collections.abc import Sequence

import pytest

from tests.client import WAIT_SECONDS
from tests.contract.api_client import new_email
from tests.gateway.harness import People
from tests.pixels import opened
from tests.snippets.blocks import BLOCKS, PAGES
from tests.snippets.conftest import SIZE, Desk
from tests.snippets.inventory import ACCOUNT, DESCRIBED, FIRST_STEPS

PLACEHOLDER = re.compile(r"(?:export )?([A-Z]+)='[^']*…[^']*'")
COPIED = {"TOKEN": r'"token":"([^"]+)"', "ID": r'"id":(\d+)', "LINK": r'"download_url":"([^"]+)"'}
REFUSED = 22
"""The exit status of curl when the server answers with an error."""


def steps_of(names: Sequence[str]) -> list[str]:
    """Return the commands between the values that the reader copies, and the names of these values."""
    text = "\n".join(BLOCKS[name].text for name in names)
    text = re.sub(r"export API='[^']*'(?: TOKEN='1\|[^']*')?", ":", text)
    steps = PLACEHOLDER.split(text)
    assert "…" not in "".join(steps[::2])
    return steps


async def follow(desk: Desk, steps: Sequence[str]) -> None:
    """Run each step, and copy the next value from what it printed."""
    for step, name in zip(steps[::2], [*steps[1::2], ""], strict=True):
        printed = await succeed(desk, step)
        if not name:
            continue
        async with asyncio.timeout(WAIT_SECONDS):
            while not (found := re.findall(COPIED[name], printed)):
                assert name == "LINK", printed
                printed = await succeed(desk, step)
        desk.variables[name] = found[0]


async def succeed(desk: Desk, commands: str) -> str:
    status, printed = await desk.run("bash", "-eu", "-c", commands)
    assert status == 0, printed
    return printed


async def test_the_first_steps_of_the_readme_lead_to_a_picture(desk: Desk) -> None:
    await follow(desk, steps_of(FIRST_STEPS))

    assert opened((desk.folder / "upscaled.png").read_bytes()).size == (4 * 451, 4 * 300)


async def test_a_new_account_is_created_as_the_page_says(desk: Desk) -> None:
    email = new_email()
    steps = [step.replace("you@example.com", email) for step in steps_of(ACCOUNT)]

    await follow(desk, steps)

    printed = await succeed(desk, BLOCKS[ACCOUNT[-1]].text)
    assert '"plan":"professional"' in printed
    assert '"api_access"' in printed


async def test_the_first_steps_of_the_api_page_lead_to_a_picture(desk: Desk, people: People) -> None:
    email = new_email()
    register, _, *rest = [step.replace("you@example.com", email) for step in steps_of(DESCRIBED)]
    operator = re.findall(r"`(loupe-admin [^`]+)`", PAGES["/docs"])
    assert operator

    await follow(desk, [register, "TOKEN", ":"])
    await people.operator.verify_user(email)
    status, printed = await desk.run("bash", "-eu", "-c", rest[0])
    assert status == REFUSED
    assert "no_api_access" in printed
    for command in operator:
        await succeed(desk, command.replace("you@example.com", email))
    await follow(desk, rest)

    assert opened((desk.folder / "upscaled.jpg").read_bytes()).size == (4 * SIZE[0] // 2, 4 * SIZE[1] // 2)


@pytest.mark.parametrize("names", [FIRST_STEPS, DESCRIBED], ids=["README.md", "docs"])
@pytest.mark.parametrize(
    ("change", "text"), [("token", "Unauthenticated."), ("photo", "must be a file of type")]
)
async def test_a_refused_upload_fails_and_says_why(
    desk: Desk, names: Sequence[str], change: str, text: str
) -> None:
    upload = next(step for step in steps_of(names)[::2] if "/api/images/upscale" in step)
    if change == "token":
        desk.variables["TOKEN"] = "1|wrong"
    else:
        upload = re.sub(r"image=@\S+", "image=@text.jpg", upload)

    status, printed = await desk.run("bash", "-eu", "-c", upload)

    assert status == REFUSED
    assert text in printed
