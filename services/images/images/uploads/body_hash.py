"""The hash by which a repeated upload is recognised.

It covers file names, files, ids of direct uploads or a link, and options. It does not depend on the pieces in
which the body arrives, nor on what the gateway adds.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

from google.protobuf.message import Message

from loupe.images.v1 import images_pb2 as pb

Part = TypeVar("Part", pb.UpscaleRequest, pb.CreateBatchRequest)
NOT_OF_THE_CLIENT = ("api_request", "near_misses")
"""Fields of `Options` that are no options: the gateway adds them."""


class BodyHash:
    """SHA-256 over what a client sent. Each item has its kind and its length in front."""

    def __init__(self) -> None:
        self._whole = hashlib.sha256()
        self._file = hashlib.sha256()
        self._is_in_file = False
        self.is_complete = False
        """Whether everything has arrived that the hash covers: the options, which come last, or a link."""

    def add(self, kind: str, value: bytes) -> None:
        self._whole.update(b"%s %d " % (kind.encode(), len(value)))
        self._whole.update(value)

    async def over(self, parts: AsyncIterator[Part]) -> AsyncGenerator[Part]:
        """Yield the messages of an upload, and add each of them."""
        async for part in parts:
            match part.WhichOneof("part"):
                case _ if self.is_complete:
                    pass  # the file behind a link may change
                case "start" if isinstance(part, pb.UpscaleRequest) and part.start.HasField("link"):
                    self.add("url", part.start.link.url.encode())
                    self._add_options(part.start.link.options)
                case "chunk":
                    self._file.update(part.chunk)
                case "options":
                    self._end_file()
                    self._add_options(part.options)
                case _:
                    self._end_file()
                    start = part.start if isinstance(part, pb.UpscaleRequest) else part.file
                    self.add("name", start.filename.encode())
                    if isinstance(start, pb.UpscaleRequest.Start) and start.upload_id:
                        self.add("upload_id", start.upload_id.encode())
                    self._is_in_file = True
            yield part

    def digest(self) -> bytes:
        return self._whole.digest()

    def _end_file(self) -> None:
        if self._is_in_file:
            self.add("file", self._file.digest())
        self._file, self._is_in_file = hashlib.sha256(), False

    def _add_options(self, options: Message) -> None:
        sent = type(options)()
        sent.CopyFrom(options)
        for name in NOT_OF_THE_CLIENT:
            if name in sent.DESCRIPTOR.fields_by_name:
                sent.ClearField(name)
        self.add("options", sent.SerializeToString(deterministic=True))
        self.is_complete = True
