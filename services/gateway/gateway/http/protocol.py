"""HTTP/1.1 as uvicorn implements it, but strict and with deadlines.

A request that is malformed, too large or too slow gets an error in the contract's envelope, after the answers
to earlier requests on its connection. Bytes that follow it are never read as another request.
"""

import asyncio
import enum
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from common import errors
from gateway.http import header_checks, request_ids
from gateway.http.edge import SAFE_HEADERS
from gateway.http.envelope import Problem
from gateway.http.errors import (
    HEADERS_TOO_LARGE,
    MALFORMED_REQUEST,
    REQUEST_TIMEOUT,
    TARGET_TOO_LONG,
    status_of,
)
from gateway.settings import Settings

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

LINGER_SECONDS = 5.0


class Stage(enum.Enum):
    """The part of a request that is being received."""

    BETWEEN_REQUESTS = enum.auto()
    HEADERS = enum.auto()
    BODY = enum.auto()


class Protocol(HttpToolsProtocol):
    """One connection.

    A timer starts only when a request does not arrive in one piece, which is rare.
    """

    def __init__(self, *args: Any, settings: Settings, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = settings
        self._stage = Stage.BETWEEN_REQUESTS
        self._bytes_without_progress = 0
        """Bytes received since the last complete headers or the last data of a body."""
        self._bytes_in_window = 0
        """Bytes received in the present interval of `body_seconds`."""
        self._reading_was_paused = False
        self._ignores_input = False
        self._is_lingering = False
        self._pending_refusal: errors.ServiceError | None = None
        self._current_cycle: RequestResponseCycle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._unset_keepalive_if_required()
        if self._write_timer:
            self._write_timer.cancel()
        cycle = self._current_cycle
        if cycle and not cycle.response_complete:  # uvicorn notifies only the last request of a pipeline
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._ignores_input:
            return
        self._bytes_without_progress += len(data)
        self._bytes_in_window += len(data)
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            cause = error.__context__  # the parser wraps what our callbacks raise
            is_ours = isinstance(cause, errors.ServiceError)
            self._refuse(cause if is_ours else errors.refused(MALFORMED_REQUEST))
        else:
            if self._bytes_without_progress > header_checks.LARGEST_HEADERS_BYTES:
                in_headers = self._stage is Stage.HEADERS
                self._refuse(errors.refused(HEADERS_TOO_LARGE if in_headers else MALFORMED_REQUEST))
            elif self._timer is None and (
                self._stage is not Stage.BETWEEN_REQUESTS or not self._has_open_answer()
            ):
                self._start_timer()

    def _feed(self, data: bytes) -> None:
        """Parse the data. A request for another protocol is parsed again as a normal request."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            method, version = self._parser.get_method(), self._parser.get_http_version()
            self.parser = httptools.HttpRequestParser(self)
            head = header_checks.remove_upgrade(method, self.url, version, self.headers)
            self.parser.feed_data(head + data[upgrade.args[0] :])

    def on_message_begin(self) -> None:
        self._stage = Stage.HEADERS
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > header_checks.LONGEST_TARGET_BYTES:
            raise errors.refused(TARGET_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._stage is Stage.HEADERS:  # not trailers, which would join the headers of a running request
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if header_checks.is_upgrade(self._parser):
            return
        self.url = header_checks.check_target(self.url, self._parser.get_method(), self.headers)
        has_body = header_checks.check_headers(self._parser.get_http_version(), self.headers)
        super().on_headers_complete()
        if has_body:
            self.cycle.transport = _LingeringTransport(self, self.transport)
        self._enter(Stage.BODY)

    def on_body(self, body: bytes) -> None:
        self._bytes_without_progress = 0
        super().on_body(body)
        self._reading_was_paused = self._reading_was_paused or self.flow.read_paused

    def on_message_complete(self) -> None:
        if header_checks.is_upgrade(self._parser):
            return
        self._enter(Stage.BETWEEN_REQUESTS)
        self._state["body_has_ended"] = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._is_lingering:
            self.server_state.total_requests += 1
            return
        super().on_response_complete()
        if self._pending_refusal and not self._has_open_answer():
            self._send_refusal(self._pending_refusal)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._settings.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer:
            self._write_timer.cancel()

    def linger(self) -> None:
        """Close our side of the connection, and discard for a moment what the client still sends.

        Closing both sides at once would reset the connection, and the client might lose our answer.
        """
        self._ignores_input = self._is_lingering = True
        self._stop_timer()
        self._unset_keepalive_if_required()
        if not self.transport.is_closing():
            self.transport.write_eof()
            self.flow.resume_reading()
            self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    @property
    def has_unread_body(self) -> bool:
        return self._stage is Stage.BODY

    @property
    def _parser(self) -> httptools.HttpRequestParser:
        return self.parser  # pyright: ignore[reportReturnType]  set until the connection is lost

    @property
    def _state(self) -> dict[str, Any]:
        return self.scope["state"]  # pyright: ignore[reportTypedDictNotRequiredAccess]  uvicorn always sets it

    def _start_asgi_task(self, cycle: "RequestResponseCycle", app: "ASGI3Application") -> None:
        self._current_cycle = cycle
        super()._start_asgi_task(cycle, app)

    def _has_open_answer(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _enter(self, stage: Stage) -> None:
        self._stage, self._bytes_without_progress = stage, 0
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _start_timer(self) -> None:
        if self._stage is Stage.BODY:
            self._await_body()
        else:
            self._await_headers()

    def _await_headers(self) -> None:
        self._timer = self.loop.call_later(self._settings.head_seconds, self._on_headers_deadline)

    def _on_headers_deadline(self) -> None:
        self._timer = None
        if self._stage is Stage.HEADERS:
            self._refuse(errors.refused(REQUEST_TIMEOUT, part="headers"))
        else:
            self.transport.close()

    def _await_body(self) -> None:
        self._bytes_in_window, self._reading_was_paused = 0, self.flow.read_paused
        self._timer = self.loop.call_later(self._settings.body_seconds, self._on_body_deadline)

    def _on_body_deadline(self) -> None:
        """Refuse a body that is too slow, unless we ourselves stopped reading it."""
        self._timer = None
        required_bytes = self._settings.body_seconds * self._settings.body_bytes_per_second
        if self._reading_was_paused or self._bytes_in_window >= required_bytes:
            self._await_body()
        else:
            self._refuse(errors.refused(REQUEST_TIMEOUT, part="body"))

    def _refuse(self, error: errors.ServiceError) -> None:
        self._ignores_input = True
        self._stop_timer()
        if self._stage is Stage.BODY:  # the route that reads the body gets the error, and answers it
            self._state["body_failure"] = error
            self.cycle.keep_alive = False
            self.cycle.message_event.set()
        elif self._has_open_answer():
            self._pending_refusal = error
        else:
            self._send_refusal(error)

    def _send_refusal(self, error: errors.ServiceError) -> None:
        if not self.transport.is_closing():
            headers = self.headers or []
            self.transport.write(answer(error, request_ids.request_id_of(dict(headers))))
            self.linger()


class _LingeringTransport(asyncio.Transport):
    """The transport of a request with a body. If the answer comes before the whole body, closing lingers."""

    def __init__(self, protocol: Protocol, transport: asyncio.Transport) -> None:
        super().__init__()
        self._protocol = protocol
        self._transport = transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        if self._protocol.has_unread_body:
            self._protocol.linger()
        else:
            self._transport.close()


def answer(error: errors.ServiceError, request_id: str) -> bytes:
    """Return the bytes of the answer that `error_answers` would give to this error."""
    status = status_of(error.code, error.reason)
    problem = Problem(message=error.message, code=error.reason, request_id=request_id)
    body = problem.model_dump_json(exclude_none=True).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\nX-Request-Id: {request_id}\r\n"
        "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: X-Request-Id\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in SAFE_HEADERS.items())
    )
    return head.encode() + b"\r\n" + body
