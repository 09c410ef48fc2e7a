"""Programs that follow events: those in docs/api.md, in node."""

import asyncio
import re
from asyncio.subprocess import PIPE
from pathlib import Path

import httpx2

from loupe_local.stack import Stack
from loupe_local.state import REPOSITORY
from tests.client import upload_image
from tests.contract.api_client import SMALL
from tests.contract.test_clients import node

SECTION = (REPOSITORY / "docs" / "api.md").read_text().partition("### Follow events")[2].partition("\n## ")[0]
WITH_FETCH, WITH_EVENTSOURCE = re.findall(r"```js\n(.*?)```", SECTION, re.DOTALL)
NODE = REPOSITORY / ".loupe" / "node"


async def follow(program: str, interpreter: str, stack: Stack, client: httpx2.AsyncClient, cwd: Path) -> str:
    """Run the program, and upload until it has printed an image. Return what it printed."""
    constants = "const API = process.env.API, TOKEN = process.env.TOKEN;\n"
    (cwd / "follow.mjs").write_text(constants + program)
    variables = {"API": stack.api, "TOKEN": stack.token, "NO_PROXY": "*"}
    process = await asyncio.create_subprocess_exec(
        interpreter, "follow.mjs", cwd=cwd, env=variables, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout
    try:
        async with asyncio.timeout(90):
            printed = asyncio.create_task(process.stdout.readuntil(b"download_url"))
            while not printed.done():  # until node has connected
                await upload_image(client, SMALL)
                await asyncio.wait({printed}, timeout=5)
            text = await printed
    finally:
        process.kill()
        await process.wait()
    return (text + await process.stdout.read()).decode()


async def test_the_program_in_the_docs_follows_events_with_fetch(
    stack: Stack, jane: httpx2.AsyncClient, tmp_path: Path
) -> None:
    printed = await follow(WITH_FETCH, node(), stack, jane, tmp_path)

    assert "image.completed" in printed or "image.accepted" in printed


async def test_the_program_in_the_docs_follows_events_with_the_package_eventsource(
    generators: None, stack: Stack, jane: httpx2.AsyncClient, tmp_path: Path
) -> None:
    (tmp_path / "node_modules").symlink_to(NODE / "node_modules")

    printed = await follow(WITH_EVENTSOURCE, str(NODE / "bin" / "node"), stack, jane, tmp_path)

    assert "image.completed" in printed
