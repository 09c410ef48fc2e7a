"""A multipart body (RFC 7578), parsed as it arrives and passed on in pieces of 256 KiB: nothing is held
whole.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import ClassVar, Generic, TypeVar

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)
from prometheus_client import Counter
from starlette.requests import ClientDisconnect, Request

from common import errors
from gateway.http.error_answers import Malformed, TooLarge
from loupe.images.v1 import images_pb2 as pb

CHUNK_BYTES = 256 << 10
LONGEST_TEXT = 4096
LONGEST_HEADER = 16 << 10
"""Of a part, and with it the longest name of a file."""
MOST_PARTS = 64
uploaded_bytes = Counter("loupe_upload_bytes_total", "Bytes of uploads received")
OPTIONS = (
    "scale_factor",
    "target_width",
    "target_height",
    "fit",
    "output_format",
    "quality",
    "metadata",
    "model",
)
Sent = TypeVar("Sent", pb.UpscaleRequest, pb.CreateBatchRequest)


def one_image(request: Request) -> AsyncGenerator[pb.UpscaleRequest]:
    """The messages of one `Upscale` call."""
    return _messages(request, _OneImage())


def several_images(request: Request) -> AsyncGenerator[pb.CreateBatchRequest]:
    """The messages of one `CreateBatch` call, with the files in the order of their arrival."""
    return _messages(request, _SeveralImages())


async def _messages(request: Request, form: "_Form[Sent]") -> AsyncGenerator[Sent]:
    """Unknown fields are skipped; one file too many is refused at once."""
    parser = _parser_for(request, form)
    try:
        async for piece in _body(request, form.largest_body):
            for event in parser.parse(piece):
                for message in form.take(event):
                    yield message
        parser.close()
    except ParserLimitReached as error:
        raise Malformed(
            "The request body has too many or too long parts.", reason="malformed_body"
        ) from error
    except MultipartError as error:
        raise Malformed("The request body is malformed.", reason="malformed_body") from error
    except ClientDisconnect as error:
        raise Malformed("The request body ended early.", reason="malformed_body") from error
    yield form.end()


def _parser_for(request: Request, form: "_Form[Sent]") -> PushMultipartParser:
    """Refuses, before any of the body is read, one that is no multipart or says that it is too long."""
    kind, parameters = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data":
        raise errors.invalid({form.field: [f"The {form.field} field is required."]})
    length = request.headers.get("content-length", "")
    if re.fullmatch(r"\d{1,18}", length) and int(length) > form.largest_body:
        raise _too_large(form.largest_body)
    try:
        return PushMultipartParser(
            parameters.get("boundary", ""),
            max_segment_count=MOST_PARTS,
            max_header_size=LONGEST_HEADER,
            header_charset="latin-1",  # any bytes: `_text` tells what they mean
        )
    except MultipartError as error:
        raise Malformed("The request body is malformed.", reason="malformed_body") from error


class _Form(ABC, Generic[Sent]):
    """Turns the parser's events into messages."""

    field: ClassVar[str]
    names: ClassVar[re.Pattern[str]]
    """Of the parts that are files."""
    texts: ClassVar[tuple[str, ...]]
    largest_body: ClassVar[int]
    most_files: ClassVar[int]
    too_many: ClassVar[str]

    def __init__(self) -> None:
        self._name = ""
        self._is_in_file = False
        self._files = 0
        self._chunk = bytearray()
        self._texts: dict[str, bytearray] = {}

    def take(self, event: MultipartSegment | bytes | bytearray | None) -> list[Sent]:
        if isinstance(event, MultipartSegment):
            return self._begin(event)
        if self._is_in_file:
            self._chunk += event or b""
            return self._flushed(is_end=event is None)
        if event and self._name in self.texts:
            text = self._texts[self._name]
            text += event
            if len(text) > LONGEST_TEXT:
                raise Malformed(f"The field {self._name} is too long.", reason="malformed_body")
        return []

    def end(self) -> Sent:
        """Stands for the end of the body."""
        return self._options({name: text.decode("utf-8", "replace") for name, text in self._texts.items()})

    @abstractmethod
    def _file(self, position: int, filename: str | None) -> Sent: ...

    @abstractmethod
    def _piece(self, data: bytes) -> Sent: ...

    @abstractmethod
    def _options(self, texts: dict[str, str]) -> Sent: ...

    def _begin(self, segment: MultipartSegment) -> list[Sent]:
        self._name = _text(segment.name or "")
        self._is_in_file = bool(self.names.fullmatch(self._name))
        if self._name in self.texts:
            self._texts[self._name] = bytearray()
        if not self._is_in_file:
            return []
        if self._files == self.most_files:
            raise errors.invalid({self.field: [self.too_many]})
        self._files += 1
        filename = segment.filename
        return [self._file(self._files - 1, None if filename is None else _text(filename))]

    def _flushed(self, *, is_end: bool) -> list[Sent]:
        """Whole chunks, and the rest at the end of the file."""
        messages: list[Sent] = []
        while len(self._chunk) >= CHUNK_BYTES or (is_end and self._chunk):
            messages.append(self._piece(bytes(self._chunk[:CHUNK_BYTES])))
            del self._chunk[:CHUNK_BYTES]
        return messages


class _OneImage(_Form[pb.UpscaleRequest]):
    field = "image"
    names = re.compile("image")
    texts = OPTIONS
    largest_body = 11 << 20
    most_files = 1
    too_many = "The image field must be a single file."

    def _file(self, position: int, filename: str | None) -> pb.UpscaleRequest:
        return pb.UpscaleRequest(start=pb.UpscaleRequest.Start(filename=filename or "", api_request=True))

    def _piece(self, data: bytes) -> pb.UpscaleRequest:
        return pb.UpscaleRequest(chunk=data)

    def _options(self, texts: dict[str, str]) -> pb.UpscaleRequest:
        return pb.UpscaleRequest(options=pb.UpscaleRequest.Options(**texts))


class _SeveralImages(_Form[pb.CreateBatchRequest]):
    field = "images"
    names = re.compile(r"images(\[[0-9]*\])?")
    texts = (*OPTIONS, "name")
    largest_body = 211 << 20
    most_files = 20
    too_many = f"The images may not have more than {most_files} items."

    def _file(self, position: int, filename: str | None) -> pb.CreateBatchRequest:
        if filename is None:
            name = f"images.{position}"
            raise errors.invalid({name: [f"The {name} must be a file."]})
        return pb.CreateBatchRequest(file=pb.CreateBatchRequest.File(filename=filename))

    def _piece(self, data: bytes) -> pb.CreateBatchRequest:
        return pb.CreateBatchRequest(chunk=data)

    def _options(self, texts: dict[str, str]) -> pb.CreateBatchRequest:
        return pb.CreateBatchRequest(options=pb.CreateBatchRequest.Options(api_request=True, **texts))


def _text(header: str) -> str:
    """UTF-8 as clients write it today; what is not is kept as far as it goes."""
    return header.encode("latin-1").decode("utf-8", "replace")


async def _body(request: Request, largest: int) -> AsyncGenerator[bytes]:
    received = 0
    try:
        async for piece in request.stream():
            received += len(piece)
            if received > largest:
                raise _too_large(largest)
            if piece:
                yield piece
    finally:
        uploaded_bytes.inc(received)


def _too_large(largest: int) -> TooLarge:
    return TooLarge(f"The request body may not be greater than {largest >> 20} MiB.", reason="body_too_large")
