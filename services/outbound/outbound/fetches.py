"""Fetches the file behind a link, and passes it on while it arrives."""

from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus

from prometheus_client import Counter

from common import errors
from loupe.contract import LARGEST_UPLOAD_BYTES
from loupe.outbound.v1 import outbound_pb2 as pb
from outbound.file_name import file_name
from outbound.guard.client import Answer, Client, Limits
from outbound.guard.refused import Reason, Refused
from outbound.guard.urls import check_url

CHUNK_BYTES = 256 << 10
MOST_REDIRECTS = 3
CONNECT_SECONDS = 5.0
GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})

fetches = Counter(
    "loupe_fetches_total",
    "Files fetched from links: `fetched`, or the reason of a refusal",
    ["outcome"],
)
fetched_bytes = Counter("loupe_fetched_bytes_total", "Bytes of files fetched from links")


class Fetches:
    """Fetches files under the guard. Each may take `seconds` from the lookup of the name to its last byte."""

    def __init__(self, client: Client, seconds: float) -> None:
        self._client = client
        self._limits = Limits(seconds, CONNECT_SECONDS, LARGEST_UPLOAD_BYTES)

    async def fetch(self, url: str, field: str) -> AsyncGenerator[pb.FetchResponse]:
        """Yield the messages of a call. Raise `InvalidArgument` on this field if there is no file."""
        outcome = "cancelled"
        try:
            checked = check_url(url, self._client.policy)
            async with self._client.fetch(
                checked, most_redirects=MOST_REDIRECTS, limits=self._limits
            ) as answer:
                _check_status(answer)
                yield pb.FetchResponse(head=_to_head(answer))
                async for chunk in _chunks(answer.pieces()):
                    yield pb.FetchResponse(chunk=chunk)
            outcome = "fetched"
        except Refused as refused:
            outcome = refused.reason
            raise _to_error(refused, field) from refused
        finally:
            fetches.labels(outcome).inc()


def _check_status(answer: Answer) -> None:
    """Raise `Refused` unless the answer has a file."""
    if answer.status in GONE:
        raise Refused(Reason.NOT_FOUND, f"The {{field}} leads to no file: its host answered {answer.status}.")
    if answer.status != HTTPStatus.OK:
        raise Refused(
            Reason.STATUS_REFUSED,
            f"The host of the {{field}} answered {answer.status} instead of with a file.",
        )


def _to_head(answer: Answer) -> pb.FetchResponse.Head:
    is_plain = "content-encoding" not in answer.headers
    return pb.FetchResponse.Head(
        filename=file_name(answer),
        content_type=answer.headers.get("content-type", ""),
        bytes=answer.declared_bytes if is_plain and answer.declared_bytes else None,
    )


async def _chunks(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """Yield the file in chunks of `CHUNK_BYTES`, the last one shorter. Raise `Refused` if it is empty."""
    chunk, is_empty = bytearray(), True
    async for piece in pieces:
        fetched_bytes.inc(len(piece))
        chunk += piece
        is_empty = False
        while len(chunk) >= CHUNK_BYTES:
            yield bytes(chunk[:CHUNK_BYTES])
            del chunk[:CHUNK_BYTES]
    if is_empty:
        raise Refused(Reason.EMPTY, "The {field} leads to an empty file.")
    if chunk:
        yield bytes(chunk)


def _to_error(refused: Refused, field: str) -> errors.InvalidArgument:
    text = refused.text(field)
    return errors.InvalidArgument(text, reason=refused.reason, fields={field: [text]})
