"""Programs that follow events: the one in docs/api.md, in node."""

import asyncio
import re
from asyncio.subprocess import PIPE
from pathlib import Path

import httpx2

from loupe_local.stack import Stack
from tests.client import upload_image
from tests.contract.api_client import SMALL
from tests.contract.test_clients import node

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
BEGIN = "const API = process.env.API, TOKEN = process.env.TOKEN;\n"


def program() -> str:
    """Return the program of the page that follows events."""
    section = PAGE.read_text().partition("### Follow events")[2]
    found = re.search(r"```js\n(.*?)```", section, re.DOTALL)
    assert found
    return BEGIN + found[1]


async def test_the_program_in_the_docs_follows_events_with_fetch(
    stack: Stack, jane: httpx2.AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / "follow.mjs").write_text(program())
    variables = {"API": stack.api, "TOKEN": stack.token, "NO_PROXY": "*"}
    process = await asyncio.create_subprocess_exec(
        node(), "follow.mjs", cwd=tmp_path, env=variables, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout
    try:
        async with asyncio.timeout(90):
            printed = asyncio.create_task(process.stdout.readuntil(b"image.completed"))
            while not printed.done():  # until node has connected
                await upload_image(jane, SMALL)
                await asyncio.wait({printed}, timeout=5)
            text = await printed
    finally:
        process.kill()
        await process.wait()

    assert b"download_url" in text + await process.stdout.read()
