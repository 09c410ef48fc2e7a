"""Reads a multipart body (RFC 7578) as it arrives, and yields its files in chunks of at most 256 KiB.

No file is ever in memory as a whole.
"""

import re
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

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
from gateway.http import part_names
from gateway.http.content_encoding import check_encoding, check_part_encoding
from gateway.http.errors import BODY_TOO_LARGE, malformed_body
from gateway.http.field_warnings import Warnings, near_misses_of, warnings_of
from gateway.http.upload_gate import UploadTime, declared_bytes

CHUNK_BYTES = 256 << 10
LONGEST_BOUNDARY = 200
"""RFC 2046 allows 70 characters. The search for a boundary takes time for each of its characters."""
PLAIN_BOUNDARY = re.compile(r""";\s*boundary=([^"\s;]+)\s*(?:;|$)""", re.IGNORECASE)
"""A boundary without quotes. It may have `=` or `/`, for which it needs them: programs that take theirs from
Python's `email` forget that.
"""
LONGEST_TEXT_BYTES = 4096
LARGEST_PART_HEADER_BYTES = 16 << 10
"""Limit for one part's headers. It also bounds the length of a file name."""
MOST_PARTS = 64
DEFAULT_TIME = UploadTime()
uploaded_bytes = Counter("loupe_upload_bytes_total", "Bytes of uploads received")


@dataclass(frozen=True, slots=True)
class Form:
    """The parts that a form may have. Other parts are skipped."""

    file_field: str
    """The name that errors use for the files."""
    file_parts: re.Pattern[str]
    """Matches the names of parts that are files."""
    text_parts: tuple[str, ...]
    """The names of parts that are texts."""
    largest_body_bytes: int
    most_files: int
    too_many_files: str
    """The message if there are more files than `most_files`."""


@dataclass(frozen=True, slots=True)
class FileStart:
    """A file begins. `filename` is None if its part has none."""

    position: int
    filename: str | None


@dataclass(frozen=True, slots=True)
class FormEnd:
    """The form is complete."""

    texts: dict[str, str]
    """The text fields by name."""
    near_misses: dict[str, str]
    """Unknown fields that look like a text field, and that field."""


async def read_form(
    request: Request, form: Form, upload_time: UploadTime = DEFAULT_TIME
) -> AsyncGenerator[FileStart | bytes | FormEnd]:
    """Yield each file's start, then its chunks. Yield the end last, and only if the body is complete.

    Raise before reading the body if it is not multipart or declares a length over the limit. Fields without
    effect become warnings of the answer.
    """
    parser, reader = _parser_for(request, form), _FormReader(form)
    try:
        async for piece in _read_body(request, form.largest_body_bytes, upload_time):
            for segment in parser.parse(piece):
                for event in reader.read_segment(segment):
                    yield event
        parser.close()
    except ParserLimitReached as error:
        raise malformed_body("The request body has too many or too long parts.") from error
    except MultipartError as error:
        raise malformed_body() from error
    except ClientDisconnect as error:
        raise malformed_body("The request body ended early.") from error
    finally:
        reader.add_warnings(warnings_of(request))
    yield reader.end()


def _parser_for(request: Request, form: Form) -> PushMultipartParser:
    check_encoding(request)
    media_type, parameters = parse_options_header(request.headers.get("content-type", ""))
    if media_type != "multipart/form-data":
        raise errors.invalid({form.file_field: [f"The {form.file_field} field is required."]})
    if declared_bytes(request) > form.largest_body_bytes:
        raise _body_too_large(form.largest_body_bytes)
    found = PLAIN_BOUNDARY.search(request.headers["content-type"])
    boundary = found[1] if found else parameters.get("boundary", "")
    if len(boundary) > LONGEST_BOUNDARY:
        raise malformed_body(
            f"The boundary of the request body is longer than {LONGEST_BOUNDARY} characters."
        )
    try:
        return PushMultipartParser(
            boundary,
            max_segment_count=MOST_PARTS,
            max_header_size=LARGEST_PART_HEADER_BYTES,
            header_charset="latin-1",  # accepts any bytes; `part_names` decodes them
        )
    except MultipartError as error:
        raise malformed_body() from error


class _FormReader:
    """Turns the parser's segments into the events of one form."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._name = ""
        self._is_in_file = False
        self._file_count = 0
        self._chunk = bytearray()
        self._texts: dict[str, bytearray] = {}
        self._other_parts: list[str] = []
        """The names of parts that are no files."""

    def read_segment(self, segment: MultipartSegment | bytes | bytearray | None) -> list[FileStart | bytes]:
        """Return the events of a segment: the start of a part, some of its data, or None at its end."""
        if isinstance(segment, MultipartSegment):
            return self._begin(segment)
        if self._is_in_file:
            self._chunk += segment or b""
            return self._take_chunks(is_end=segment is None)
        if segment and self._name in self._form.text_parts:
            text = self._texts[self._name]
            text += segment
            if len(text) > LONGEST_TEXT_BYTES:
                raise malformed_body(f"The field {self._name} is too long.")
        return []

    def end(self) -> FormEnd:
        near_misses = near_misses_of(self._other_parts, self._form.text_parts)
        return FormEnd(self._decoded_texts(), near_misses)

    def add_warnings(self, warnings: Warnings) -> None:
        texts = self._decoded_texts()
        sent = [(name, texts.get(name)) for name in self._other_parts]
        warnings.add_fields(sent, (*self._form.text_parts, self._form.file_field))

    def _decoded_texts(self) -> dict[str, str]:
        return {name: text.decode("utf-8", "replace") for name, text in self._texts.items()}

    def _begin(self, segment: MultipartSegment) -> list[FileStart | bytes]:
        self._name = part_names.decoded(segment.name or "")
        self._is_in_file = bool(self._form.file_parts.fullmatch(self._name))
        if self._name in self._form.text_parts:
            self._texts[self._name] = bytearray()
        if not self._is_in_file:
            self._other_parts.append(self._name)
            return []
        if self._file_count == self._form.most_files:
            raise errors.invalid({self._form.file_field: [self._form.too_many_files]})
        check_part_encoding(segment)
        self._file_count += 1
        return [FileStart(self._file_count - 1, part_names.filename_of(segment))]

    def _take_chunks(self, *, is_end: bool) -> list[FileStart | bytes]:
        """Remove and return all full chunks, and at the end of the file also the rest."""
        chunks: list[FileStart | bytes] = []
        while len(self._chunk) >= CHUNK_BYTES or (is_end and self._chunk):
            chunks.append(bytes(self._chunk[:CHUNK_BYTES]))
            del self._chunk[:CHUNK_BYTES]
        return chunks


async def _read_body(request: Request, largest: int, upload_time: UploadTime) -> AsyncGenerator[bytes]:
    received, started = 0, time.monotonic()
    try:
        async for piece in request.stream():
            received += len(piece)
            upload_time.check(request, received, time.monotonic() - started)
            if received > largest:
                raise _body_too_large(largest)
            if piece:
                yield piece
    finally:
        uploaded_bytes.inc(received)


def _body_too_large(largest: int) -> errors.ServiceError:
    return errors.refused(BODY_TOO_LARGE, limit=f"{largest >> 20} MiB")
