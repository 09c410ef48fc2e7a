# Generated from _async/batches.py by `make client`. Do not edit.
"""Batches: several pictures in one request."""

import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import Any

from typing_extensions import Unpack

from loupe_client._sync import downloads
from loupe_client._sync.images import PER_PAGE
from loupe_client._sync.transport import Transport
from loupe_client._sync.waiting import Waiting
from loupe_client.answers import envelope_of, parse
from loupe_client.models import AcceptedBatch, Batch, BatchImage
from loupe_client.options import Item, Options, fields_of, item_fields_of
from loupe_client.sources import Source, upload_of


class Batches:
    """The batches of the user. The plan has to include them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._waiting = Waiting(transport, Batch, "/api/batches", "batch_id")

    def submit(
        self,
        sources: Sequence[Source],
        *,
        name: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> AcceptedBatch:
        """Send up to 20 pictures with the same options. One faulty file refuses the whole batch."""
        uploads = [upload_of(source) for source in sources]
        form = fields_of(options) | ({"name": name} if name else {})

        def parts(files: ExitStack) -> list[tuple[str, Any]]:
            return [("images[]", (each.name, files.enter_context(each.open()))) for each in uploads]

        key = idempotency_key or uuid.uuid4().hex
        data = self._transport.call("POST", "/api/batches", form=form, parts=parts, key=key)
        return parse(AcceptedBatch, data)

    def create(
        self,
        items: Sequence[Item],
        *,
        name: str | None = None,
        on_error: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> AcceptedBatch:
        """Send up to 1,000 links or ids of direct uploads, whose files the server fetches later.

        The options are those for all items. An item that the server refuses makes it refuse all, or with
        `on_error="skip"` becomes a failed image. A file that cannot be fetched later fails its image.
        """
        body = {"items": [item_fields_of(item) for item in items], "name": name, "on_error": on_error}
        key = idempotency_key or uuid.uuid4().hex
        data = self._transport.call("POST", "/api/batches", body=body | fields_of(options), key=key)
        return parse(AcceptedBatch, data)

    def get(self, batch_id: int) -> Batch:
        """Return a batch with its first 100 images."""
        return self._waiting.get(batch_id)

    def wait(
        self,
        batch_id: int,
        *,
        timeout: float | None = None,
        on_change: Callable[[Batch], object] | None = None,
    ) -> Batch:
        """Return the batch once it has ended, in whatever way: look at `status` and at its images."""
        return self._waiting.wait(batch_id, timeout, on_change)

    def list(self, *, status: str | None = None, per_page: int = PER_PAGE) -> Generator[Batch]:
        """Yield the batches of the user, the newest first, and read pages as they are needed."""
        page: int | None = 1
        while page:
            query = {"status": status, "page": page, "per_page": per_page}
            answer = envelope_of(self._transport.send("GET", "/api/batches", query=query))
            for each in answer["data"]:
                yield parse(Batch, each)
            page = page + 1 if answer["links"]["next"] else None

    def images(self, batch_id: int, *, status: str | None = None) -> Generator[BatchImage]:
        """Yield the images of a batch in the order of the upload, and read pages as they are needed."""
        page: int | None = 1
        while page:
            query = {"status": status, "page": page, "per_page": PER_PAGE}
            path = f"/api/batches/{batch_id}/images"
            answer = envelope_of(self._transport.send("GET", path, query=query))
            for each in answer["data"]:
                yield parse(BatchImage, each)
            page = page + 1 if answer["links"]["next"] else None

    def archive(self, batch_id: int, path: str | PathLike[str]) -> Path:
        """Save all results of a batch that has ended as a ZIP, and return its path."""
        target = Path(path)
        downloads.save_archive(self._transport, f"/api/batches/{batch_id}/archive", target)
        return target

    def report(self, batch_id: int) -> str:
        """Return a table (CSV) with a line for each image of a batch."""
        return (self._transport.send("GET", f"/api/batches/{batch_id}/report")).text

    def retry(self, batch_id: int) -> Batch:
        """Queue the failed images of a batch again that can be retried."""
        path, key = f"/api/batches/{batch_id}/retry", uuid.uuid4().hex
        return parse(Batch, self._transport.call("POST", path, key=key))

    def delete(self, batch_id: int) -> None:
        """Cancel an unfinished batch. Delete one that has ended, with its images."""
        self._transport.call("DELETE", f"/api/batches/{batch_id}")
