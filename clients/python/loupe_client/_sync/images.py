# Generated from _async/images.py by `make client`. Do not edit.
"""Images: submit, wait, list, download, delete."""

import uuid
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from loupe_client._sync import downloads, uploads
from loupe_client._sync.transport import Transport
from loupe_client._sync.waiting import Waiting
from loupe_client.answers import envelope_of, parse
from loupe_client.errors import ImageFailed
from loupe_client.models import AcceptedImage, DirectUpload, Download, Estimate, Image
from loupe_client.options import Options, fields_of
from loupe_client.sources import Source, is_link, upload_of

PER_PAGE = 100


class Images:
    """The images of the user."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._waiting = Waiting(transport, Image, "/api/images", "image_id")

    def submit(
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
            return self._submit(key, body=body)
        upload = upload_of(source, filename)

        def parts(files: ExitStack) -> list[tuple[str, Any]]:
            return [("image", (upload.name, files.enter_context(upload.open())))]

        return self._submit(key, form=fields, parts=parts)

    def submit_directly(
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
        data = self._transport.call("POST", "/api/uploads", body=body, key=uuid.uuid4().hex)
        prepared = parse(DirectUpload, data)
        uploads.put(self._transport, upload, size, prepared)

        def parts(_: ExitStack) -> list[tuple[str, Any]]:
            return [("upload_id", (None, prepared.id))]

        return self._submit(key, form=fields, parts=parts)

    def retry(self, image_id: int) -> Image:
        """Queue a failed image again. It keeps its id, and takes a place in the quota."""
        path, key = f"/api/images/{image_id}/retry", uuid.uuid4().hex
        return parse(Image, self._transport.call("POST", path, key=key))

    def estimate(self, original_width: int, original_height: int, **options: Unpack[Options]) -> Estimate:
        """Return what a picture of this size would become, without sending one. It costs nothing."""
        body = {"width": original_width, "height": original_height, **fields_of(options)}
        return parse(Estimate, self._transport.call("POST", "/api/estimate", body=body))

    def _submit(self, key: str, **content: Any) -> AcceptedImage:
        data = self._transport.call("POST", "/api/images/upscale", key=key, **content)
        return parse(AcceptedImage, data)

    def get(self, image_id: int) -> Image:
        """Return an image with its state."""
        return self._waiting.get(image_id)

    def wait(
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
        return result_of(self._waiting.wait(image_id, timeout, on_change))

    def wait_for_end(
        self,
        image_id: int,
        *,
        timeout: float | None = None,
        on_change: Callable[[Image], object] | None = None,
    ) -> Image:
        """Return the image once it has ended, also if it failed: look at `status` and `error`."""
        return self._waiting.wait(image_id, timeout, on_change)

    def list(self, *, status: str | None = None, per_page: int = PER_PAGE) -> Generator[Image]:
        """Yield the images of the user, the newest first, and read pages as they are needed."""
        page: int | None = 1
        while page:
            query = {"status": status, "page": page, "per_page": per_page}
            answer = envelope_of(self._transport.send("GET", "/api/images", query=query))
            for each in answer["data"]:
                yield parse(Image, each)
            page = page + 1 if answer["links"]["next"] else None

    def link(self, image_id: int) -> Download:
        """Return a new link to the result, which works for an hour and needs no token."""
        return parse(Download, self._transport.call("GET", f"/api/images/{image_id}/download"))

    def stream(self, image_id: int) -> Generator[bytes]:
        """Yield the bytes of the result."""
        for chunk in downloads.stream(self._transport, self._link_of(image_id)):
            yield chunk

    def download(
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
            link = self.link(image_id)
            target, first = target / (Path(link.filename).name or f"image-{image_id}"), link.download_url
        downloads.save(self._transport, self._link_of(image_id), target, on_bytes, first)
        return target

    def delete(self, image_id: int) -> None:
        """Delete an image with its files. One that is unfinished is cancelled, and does not count."""
        self._transport.call("DELETE", f"/api/images/{image_id}")

    def _link_of(self, image_id: int) -> downloads.Link:
        def link() -> str:
            return (self.link(image_id)).download_url

        return link


@dataclass(frozen=True)
class Upscaled:
    """A picture that was upscaled, with what can be done with it."""

    image: Image
    _images: Images

    def save(self, path: str | PathLike[str]) -> Path:
        """Save the picture, and return its path. In a folder it gets the name of the original."""
        return self._images.download(self.image, path)

    def read(self) -> bytes:
        """Return the bytes of the picture."""
        content = bytearray()
        for chunk in self._images.stream(self.image.id):
            content += chunk
        return bytes(content)

    def delete(self) -> None:
        """Delete original and result on the server."""
        self._images.delete(self.image.id)


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
