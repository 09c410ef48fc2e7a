"""The official client of the Model Context Protocol upscales a picture by `loupe mcp`."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx2
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.types import CallToolResult, ResourceLink, TextContent

from loupe_client import AsyncLoupe
from tests.clients.conftest import SIZE, size_of, used
from tests.clients.shell import LOUPE, Shell
from tests.pixels import opened
from tests.polling import until


@contextlib.asynccontextmanager
async def over_stdio(shell: Shell) -> AsyncGenerator[Client]:
    parameters = StdioServerParameters(
        command=LOUPE, args=["mcp", "--folder", str(shell.folder)], env=shell.variables
    )
    async with Client(stdio_client(parameters)) as client:
        yield client


@contextlib.asynccontextmanager
async def over_http(shell: Shell) -> AsyncGenerator[Client]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = await shell.begin("mcp", "--http", str(port), "--folder", shell.folder)

    async def is_up() -> bool:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        return False

    try:
        await until(is_up)
        async with Client(f"http://127.0.0.1:{port}/mcp") as client:
            yield client
    finally:
        process.terminate()
        await process.communicate()


Connect = Callable[[Shell], AbstractAsyncContextManager[Client]]


def text_of(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


@pytest.mark.parametrize("connect", [over_stdio, over_http])
async def test_a_picture_is_upscaled_with_progress_and_a_link(
    connect: Connect, shell: Shell, own: AsyncLoupe, photo_file: Path
) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with connect(shell) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        result = await client.call_tool(
            "upscale", {"source": "photo.jpg", "scale": 3, "save": True}, progress_callback=hear
        )
        usage = await client.call_tool("usage", {})
        size = {"original_width": 1920, "original_height": 1080, "scale": 2}
        estimate = json.loads(text_of(await client.call_tool("estimate", size)))
        [link] = [part for part in result.content if isinstance(part, ResourceLink)]
        image_id = int(text_of(result).split(",")[0].removeprefix("image "))
        status = await client.call_tool("status", {"image_id": image_id})
        listed = await client.call_tool("list_images", {"status": "completed"})

    async with httpx2.AsyncClient(trust_env=False) as store:
        picture = opened((await store.get(str(link.uri))).content)
    assert {"upscale", "status", "list_images", "usage"} <= set(tools)
    annotations = tools["upscale"].annotations
    assert annotations
    assert annotations.read_only_hint is False
    assert not result.is_error, text_of(result)
    assert picture.size == (SIZE[0] * 3, SIZE[1] * 3)
    assert size_of(photo_file.with_name(f"photo@{SIZE[0] * 3}x{SIZE[1] * 3}.jpg")) == picture.size
    assert heard[-1] == 100
    assert (estimate["result"]["width"], estimate["quota"]["used"]) == (3840, 1)
    assert text_of(usage).startswith("1 images are used")
    assert "completed" in text_of(status)
    assert text_of(listed).startswith(f"image {image_id}, photo.jpg")


async def test_a_tool_reads_only_pictures_in_its_folder_and_explains_refusals(
    shell: Shell, own: AsyncLoupe, photo_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "secret.txt").write_text("secret")
    inner = Shell(tmp_path / "inner", shell.variables)

    async with over_stdio(inner) as client:
        outside = await client.call_tool("upscale", {"source": "../photo.jpg"})
        text = await client.call_tool("upscale", {"source": "secret.txt"})
        wrong = await client.call_tool("upscale", {"source": "secret.txt", "scale": 9})
        missing = await client.call_tool("status", {"image_id": 999999999})

    assert all(result.is_error for result in (outside, text, wrong, missing))
    assert "is not below the folder" in text_of(outside)
    assert "is no picture" in text_of(text)
    assert "Image not found." in text_of(missing)
    assert await used(own) == 0
