"""A multipart body (RFC 7578), parsed as it arrives and passed on in pieces of 256 KiB: nothing is held
whole.
"""

import re
from collections.abc import AsyncGenerator

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)
from starlette.requests import ClientDisconnect, Request

from common import errors
from gateway.failures import Malformed, TooLarge
from loupe.images.v1 import images_pb2 as pb

CHUNK_BYTES = 256 << 10
LARGEST_BODY = 11 << 20
LONGEST_TEXT = 4096
MOST_PARTS = 64
OPTIONS = ("scale_factor", "target_width", "target_height")


def parser_for(request: Request, largest_body: int) -> PushMultipartParser:
    """Refuses, before any of the body is read, one that is no multipart or says that it is too long."""
    kind, parameters = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data":
        raise errors.invalid({"image": ["The image field is required."]})
    length = request.headers.get("content-length", "")
    if re.fullmatch(r"\d{1,18}", length) and int(length) > largest_body:
        raise _too_large(largest_body)
    try:
        return PushMultipartParser(parameters.get("boundary", ""), max_segment_count=MOST_PARTS)
    except MultipartError as error:
        raise Malformed("The request body is malformed.", reason="malformed_body") from error


async def one_image(request: Request) -> AsyncGenerator[pb.UpscaleRequest]:
    """The messages of one `Upscale` call. Unknown fields are skipped; a second image is refused."""
    parser = parser_for(request, LARGEST_BODY)
    form = _Form()
    try:
        async for piece in _body(request, LARGEST_BODY):
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
    yield pb.UpscaleRequest(options=form.options())


class _Form:
    """Turns the parser's events into messages."""

    def __init__(self) -> None:
        self._name = ""
        self._texts: dict[str, bytearray] = {}
        self._chunk = bytearray()
        self._has_image = False

    def take(self, event: MultipartSegment | bytes | bytearray | None) -> list[pb.UpscaleRequest]:
        if isinstance(event, MultipartSegment):
            return self._begin(event)
        if self._name == "image":
            self._chunk += event or b""
            return self._flushed(is_end=event is None)
        if event and self._name in OPTIONS:
            text = self._texts[self._name]
            text += event
            if len(text) > LONGEST_TEXT:
                raise Malformed(f"The field {self._name} is too long.", reason="malformed_body")
        return []

    def options(self) -> pb.UpscaleRequest.Options:
        texts = {name: text.decode("utf-8", "replace") for name, text in self._texts.items()}
        return pb.UpscaleRequest.Options(**texts)

    def _begin(self, segment: MultipartSegment) -> list[pb.UpscaleRequest]:
        self._name = segment.name
        if self._name in OPTIONS:
            self._texts[self._name] = bytearray()
        if self._name != "image":
            return []
        if self._has_image:
            raise errors.invalid({"image": ["The image field must be a single file."]})
        self._has_image = True
        start = pb.UpscaleRequest.Start(filename=segment.filename or "", api_request=True)
        return [pb.UpscaleRequest(start=start)]

    def _flushed(self, *, is_end: bool) -> list[pb.UpscaleRequest]:
        """Whole chunks, and the rest at the end of the file."""
        messages: list[pb.UpscaleRequest] = []
        while len(self._chunk) >= CHUNK_BYTES or (is_end and self._chunk):
            messages.append(pb.UpscaleRequest(chunk=bytes(self._chunk[:CHUNK_BYTES])))
            del self._chunk[:CHUNK_BYTES]
        return messages


async def _body(request: Request, largest: int) -> AsyncGenerator[bytes]:
    received = 0
    async for piece in request.stream():
        received += len(piece)
        if received > largest:
            raise _too_large(largest)
        if piece:
            yield piece


def _too_large(largest: int) -> TooLarge:
    return TooLarge(f"The request body may not be greater than {largest >> 20} MiB.", reason="body_too_large")
