# Generated from _async/events.py by `make client`. Do not edit.
"""Follows the events of the server, and comes back after a break without missing one."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager

import httpx2

from loupe_client._sync.transport import Transport, failure_of, no_answer, without_none
from loupe_client.backoff import pause_seconds
from loupe_client.errors import ApiError, ConnectionFailed, LoupeError
from loupe_client.event_frames import Event, FrameReader

SILENT_SECONDS = 60.0
"""The server sends a comment every 15 seconds. After this silence the connection is dead."""


class Events:
    """The events about the images and batches of the user."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def follow(
        self,
        *,
        types: Sequence[str] | None = None,
        image_id: int | None = None,
        batch_id: int | None = None,
        last_event_id: str | None = None,
        on_open: Callable[[], object] | None = None,
        retries: int | None = None,
    ) -> Generator[Event]:
        """Yield events until the caller stops, across broken connections.

        `last_event_id` is the `id` of the last event that you know: those after it come first. `on_open` is
        called whenever the stream has begun: no later event is missed. `retries` replaces that of the client.
        Raise `ApiError` for a refusal, such as a revoked token, and `ConnectionFailed` if no retry helps.
        """
        query = {"types": ",".join(types) if types else None, "image_id": image_id, "batch_id": batch_id}
        most = self._transport.retries if retries is None else retries
        reader, failures = FrameReader(last_event_id or ""), 0
        while True:
            failure: LoupeError | None = None
            try:
                with self.connect(query, reader.last_id) as response:
                    if on_open:
                        on_open()
                    for chunk in response.iter_bytes():
                        failures = 0
                        for event in reader.feed(chunk):
                            if event is not None:
                                yield event
            except (httpx2.TransportError, ApiError) as error:
                failure = self._passing(error)
            if failure and failures >= most:
                raise failure
            reader = reader.after_break()
            time.sleep(pause_seconds(failures))
            failures += 1

    def _passing(self, error: httpx2.TransportError | ApiError) -> LoupeError:
        """Return the failure of a stream that may come back. Raise a refusal of the server."""
        if not isinstance(error, ApiError):
            failure = ConnectionFailed(no_answer(self._transport.server.url, error))
            failure.__cause__ = error
            return failure
        if error.status < 500:
            raise error
        return error

    @contextmanager
    def connect(
        self, query: Mapping[str, object], last_id: str = "", silent_seconds: float = SILENT_SECONDS
    ) -> Generator[httpx2.Response]:
        """Yield an open stream. Raise the `ApiError` of a refusal."""
        headers = self._transport.headers() | {"Accept": "text/event-stream"}
        with self._transport.http.stream(
            "GET",
            f"{self._transport.server.url}/api/events",
            params=without_none(query),
            headers=headers | ({"Last-Event-ID": last_id} if last_id else {}),
            timeout=httpx2.Timeout(silent_seconds, connect=10),
        ) as response:
            if not response.is_success:
                response.read()
                raise failure_of(response)
            yield response
