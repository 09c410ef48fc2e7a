"""The tools, with their schemas for models."""

import asyncio
import functools
import mimetypes
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ContentBlock, ResourceLink, TextContent, ToolAnnotations
from pydantic import Field

from loupe_client import AsyncLoupe
from loupe_client.errors import InvalidInput, LoupeError
from loupe_client.formats import LONGEST_RESULT_SIDE, Choice
from loupe_client.models import Image
from loupe_client.options import Options
from loupe_client.pictures import may_be_picture
from loupe_client.sources import is_link

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
SPENDS = ToolAnnotations(
    read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True
)
Status = Literal["pending", "processing", "completed", "failed"]
Scale = Annotated[int | None, Field(ge=2, le=4, description="2, 3 or 4. Not together with a size.")]
Width = Annotated[
    int | None, Field(ge=1, le=LONGEST_RESULT_SIDE, description="The exact width of the result in pixels.")
]
Height = Annotated[
    int | None, Field(ge=1, le=LONGEST_RESULT_SIDE, description="The exact height of the result in pixels.")
]
Format = Annotated[
    Choice | None,
    Field(description="The format of the result; by default that of the original."),
]
ModelName = Annotated[
    str | None,
    Field(
        description="auto (default), faithful, clean, art, enhance, pixel, or another one of the server.",
        examples=["auto"],
    ),
]
Source = Annotated[
    str,
    Field(
        description="A path below the folder of this server, or a link to a picture.",
        examples=["photos/cat.jpg", "https://example.com/cat.jpg"],
    ),
]


Tool = Callable[..., Awaitable[list[ContentBlock]]]


class Tools:
    """The tools that an assistant has."""

    def __init__(self, client: AsyncLoupe, folder: Path) -> None:
        self._client = client
        self._folder = folder.resolve()

    def register(self, server: MCPServer) -> None:
        for title, annotations, tool in (
            ("Upscale a picture", SPENDS, self.upscale),
            ("Estimate before spending", READS, self.estimate),
            ("State of an image", READS, self.status),
            ("List images", READS, self.list_images),
            ("Usage of this month", READS, self.usage),
        ):
            server.tool(title=title, annotations=annotations, structured_output=False)(explained(tool))

    async def upscale(
        self,
        source: Source,
        ctx: Context[Any, Any],
        scale: Scale = None,
        width: Width = None,
        height: Height = None,
        format: Format = None,  # noqa: A002  the name that people use
        model: ModelName = None,
        save: Annotated[
            bool, Field(description="Write the result beside the original, or into the folder.")
        ] = False,
    ) -> list[ContentBlock]:
        """Upscale a picture, and return a link to the result. It uses one image of the monthly quota."""
        path = None if is_link(source) else self._readable(source)
        options = Options(scale=scale, width=width, height=height, format=format, model=model)
        accepted = await self._client.images.submit(str(path) if path else source, **options)
        image = await self._followed(accepted.id, ctx)
        content = described(image)
        if save and image.status == "completed":
            target = await self._client.images.download(image, self._free_place(path, image))
            content.append(TextContent(text=f"Saved as {target.relative_to(self._folder)}."))
        return content

    async def estimate(
        self,
        original_width: Annotated[int, Field(ge=1, description="The width of the original in pixels.")],
        original_height: Annotated[int, Field(ge=1, description="The height of the original in pixels.")],
        scale: Scale = None,
        width: Width = None,
        height: Height = None,
        format: Format = None,  # noqa: A002
    ) -> list[ContentBlock]:
        """Say what a picture would become, how long it would take, and what it would leave of the quota."""
        options = Options(scale=scale, width=width, height=height, format=format)
        found = await self._client.images.estimate(original_width, original_height, **options)
        return [TextContent(text=found.model_dump_json())]

    async def status(self, image_id: int) -> list[ContentBlock]:
        """Return the state of an image, and a link to the result if it is completed."""
        return described(await self._client.images.get(image_id))

    async def list_images(
        self,
        status: Status | None = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> list[ContentBlock]:
        """List the images of the user, the newest first."""
        lines: list[str] = []
        async for image in self._client.images.list(status=status, per_page=limit):
            lines.append(line_of(image))
            if len(lines) == limit:
                break
        return [TextContent(text="\n".join(lines) or "There are no images.")]

    async def usage(self) -> list[ContentBlock]:
        """Return how many images of this month are used, and how many are left."""
        found = await self._client.account.usage()
        images = found.image_uploads
        left = "There is no limit." if images.unlimited else f"{images.remaining} of {images.limit} are left."
        return [
            TextContent(text=f"{images.used} images are used this month. {left} The plan is {found.plan}.")
        ]

    async def _followed(self, image_id: int, ctx: Context[Any, Any]) -> Image:
        """Wait for the end, and pass the progress on."""
        notices = set[asyncio.Task[None]]()

        def notify(image: Image) -> None:
            message = f"{image.original_filename}: {image.status}"
            notices.add(asyncio.create_task(ctx.report_progress(image.progress, 100, message)))

        try:
            return await self._client.images.wait_for_end(image_id, on_change=notify)
        finally:
            await asyncio.gather(*notices, return_exceptions=True)

    def _readable(self, source: str) -> Path:
        """Return the path of a picture in the folder. Raise `InvalidInput` for anything else."""
        path = (self._folder / source).resolve()
        if not path.is_relative_to(self._folder):
            raise InvalidInput(f"{source} is not below the folder {self._folder}.")
        if not path.is_file() or not may_be_picture(path):
            raise InvalidInput(f"{source} is no picture in the folder {self._folder}.")
        return path

    def _free_place(self, path: Path | None, image: Image) -> Path:
        """Return a name that no file has, beside the original or in the folder."""
        name = Path(path or image.original_filename)
        folder = path.parent if path else self._folder
        suffix = Path(image.upscaled_path or "").suffix or name.suffix
        stem = f"{name.stem}@{image.upscaled_dimensions}"
        numbered = (folder / f"{stem}{f' {number}' if number else ''}{suffix}" for number in range(1000))
        for place in numbered:
            if not place.exists():
                return place
        raise LoupeError(f"There are too many results of {name.name}.")


def explained(tool: Tool) -> Tool:
    """Return the tool with its refusals as texts for the assistant. Other errors are bugs, and are logged."""

    @functools.wraps(tool)
    async def explain(*arguments: Any, **named: Any) -> list[ContentBlock]:
        try:
            return await tool(*arguments, **named)
        except LoupeError as error:
            raise ToolError(str(error)) from error

    return explain


def described(image: Image) -> list[ContentBlock]:
    """Return a sentence about an image, and the link to its result."""
    content: list[ContentBlock] = [TextContent(text=line_of(image))]
    if image.download_url:
        kind = mimetypes.guess_type(image.upscaled_path or "")[0]
        name = Path(image.original_filename).stem + Path(image.upscaled_path or "").suffix
        content.append(
            ResourceLink(
                name=name,
                title=f"{name}, {image.upscaled_dimensions} pixels",
                uri=image.download_url,
                mime_type=kind,
                size=image.upscaled_size,
            )
        )
    return content


def line_of(image: Image) -> str:
    """Return one line about an image."""
    words = [f"image {image.id}", image.original_filename, image.status]
    if image.status == "processing":
        words.append(f"{image.progress} %")
    if image.error:
        words.append(f"{image.error.code}: {image.error.message}")
    if image.upscaled_dimensions:
        words.append(
            f"{image.original_dimensions} to {image.upscaled_dimensions}, {image.upscaled_size_human}"
        )
    return ", ".join(words)
