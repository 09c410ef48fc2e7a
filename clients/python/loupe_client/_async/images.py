"""Images: submit, wait, list, download, delete."""

import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from loupe_client._async import downloads, uploads
from loupe_client._async.transport import AsyncTransport
from loupe_client._async.waiting import AsyncWaiting
from loupe_client.answers import envelope_of, parse
from loupe_client.errors import ImageFailed
from loupe_client.models import AcceptedImage, DirectUpload, Download, Estimate, Image
from loupe_client.options import Options, fields_of
from loupe_client.sources import Source, is_link, upload_of

PER_PAGE = 100


class AsyncImages:
    """The images of the user."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._waiting = AsyncWaiting(transport, Image, "/api/images", "image_id")

    async def submit(
        self,
        source: Source,
        *,
        filename: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> AcceptedImage:
        """Send a picture, and return the image that was accepted. It counts against the quota once.

        `idempotency_key` names this call: repeating it with the same key within 24 hours returns the same
        image. Without one, each call has its own, which its retries share.
        """
        key, fields = idempotency_key or uuid.uuid4().hex, fields_of(options)
        if is_link(source):
            body = {"image_url": source, **fields}
            return await self._submit(key, body=body)
        upload = upload_of(source, filename)

        def parts(files: ExitStack) -> list[tuple[str, Any]]:
            return [("image", (upload.name, files.enter_context(upload.open())))]

        return await self._submit(key, form=fields, parts=parts)

    async def submit_directly(
        self,
        source: Source,
        *,
        filename: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> AcceptedImage:
        """Like `submit`, but put the file into the object store, so that it does not pass through the API.

        An operator may allow larger files this way. The store must be reachable from here.
        """
        fields, upload = fields_of(options), upload_of(source, filename)
        with upload.open() as file:
            size = file.seek(0, 2)
        body = {"filename": upload.name, "size": size}
        key = idempotency_key or uuid.uuid4().hex
        data = await self._transport.call("POST", "/api/uploads", body=body, key=uuid.uuid4().hex)
        prepared = parse(DirectUpload, data)
        await uploads.put(self._transport, upload, size, prepared)

        def parts(_: ExitStack) -> list[tuple[str, Any]]:
            return [("upload_id", (None, prepared.id))]

        return await self._submit(key, form=fields, parts=parts)

    async def retry(self, image_id: int) -> Image:
        """Queue a failed image again. It keeps its id, and takes a place in the quota."""
        path, key = f"/api/images/{image_id}/retry", uuid.uuid4().hex
        return parse(Image, await self._transport.call("POST", path, key=key))

    async def estimate(
        self, original_width: int, original_height: int, **options: Unpack[Options]
    ) -> Estimate:
        """Return what a picture of this size would become, without sending one. It costs nothing."""
        body = {"width": original_width, "height": original_height, **fields_of(options)}
        return parse(Estimate, await self._transport.call("POST", "/api/estimate", body=body))

    async def _submit(self, key: str, **content: Any) -> AcceptedImage:
        data = await self._transport.call("POST", "/api/images/upscale", key=key, **content)
        return parse(AcceptedImage, data)

    async def get(self, image_id: int) -> Image:
        """Return an image with its state."""
        return await self._waiting.get(image_id)

    async def wait(
        self,
        image_id: int,
        *,
        timeout: float | None = None,
        on_change: Callable[[Image], object] | None = None,
    ) -> Image:
        """Return the image once it is completed. Raise `ImageFailed` if it ends without a result.

        Raise `WaitTimedOut` after `timeout` seconds. `on_change` gets the image whenever it changes, which
        includes its `progress` in percent.
        """
        return result_of(await self._waiting.wait(image_id, timeout, on_change))

    async def wait_for_end(
        self,
        image_id: int,
        *,
        timeout: float | None = None,
        on_change: Callable[[Image], object] | None = None,
    ) -> Image:
        """Return the image once it has ended, also if it failed: look at `status` and `error`."""
        return await self._waiting.wait(image_id, timeout, on_change)

    async def list(self, *, status: str | None = None, per_page: int = PER_PAGE) -> AsyncGenerator[Image]:
        """Yield the images of the user, the newest first, and read pages as they are needed."""
        page: int | None = 1
        while page:
            query = {"status": status, "page": page, "per_page": per_page}
            answer = envelope_of(await self._transport.send("GET", "/api/images", query=query))
            for each in answer["data"]:
                yield parse(Image, each)
            page = page + 1 if answer["links"]["next"] else None

    async def link(self, image_id: int) -> Download:
        """Return a new link to the result, which works for an hour and needs no token."""
        return parse(Download, await self._transport.call("GET", f"/api/images/{image_id}/download"))

    async def stream(self, image_id: int) -> AsyncGenerator[bytes]:
        """Yield the bytes of the result."""
        async for chunk in downloads.stream(self._transport, self._link_of(image_id)):
            yield chunk

    async def download(
        self,
        image: int | Image,
        path: str | PathLike[str],
        *,
        on_bytes: Callable[[int], object] = lambda _: None,
    ) -> Path:
        """Save the result, and return its path. In a folder it gets the name that the server gives it.

        `image` is its id, or the image itself, whose link saves a request. The file appears under its name
        when it is complete. `on_bytes` gets the length of each piece.
        """
        image_id, first = (image.id, image.download_url) if isinstance(image, Image) else (image, None)
        target = Path(path)
        if target.is_dir():
            link = await self.link(image_id)
            target, first = target / (Path(link.filename).name or f"image-{image_id}"), link.download_url
        await downloads.save(self._transport, self._link_of(image_id), target, on_bytes, first)
        return target

    async def delete(self, image_id: int) -> None:
        """Delete an image with its files. One that is unfinished is cancelled, and does not count."""
        await self._transport.call("DELETE", f"/api/images/{image_id}")

    def _link_of(self, image_id: int) -> downloads.Link:
        async def link() -> str:
            return (await self.link(image_id)).download_url

        return link


@dataclass(frozen=True)
class AsyncUpscaled:
    """A picture that was upscaled, with what can be done with it."""

    image: Image
    _images: AsyncImages

    async def save(self, path: str | PathLike[str]) -> Path:
        """Save the picture, and return its path. In a folder it gets the name of the original."""
        return await self._images.download(self.image, path)

    async def read(self) -> bytes:
        """Return the bytes of the picture."""
        content = bytearray()
        async for chunk in self._images.stream(self.image.id):
            content += chunk
        return bytes(content)

    async def delete(self) -> None:
        """Delete original and result on the server."""
        await self._images.delete(self.image.id)


def result_of(image: Image) -> Image:
    """Return a completed image. Raise `ImageFailed` for one that ended without a result."""
    if image.status != "failed":
        return image
    error = image.error
    raise ImageFailed(
        error.message if error else "The image failed.",
        image_id=image.id,
        code=error.code if error else "",
        retryable=bool(error and error.retryable),
    )
