"""HTTP/1.1 as uvicorn speaks it, but strict and with deadlines.

What is malformed, too large or too slow is answered in the contract's envelope, after the answers that are
due before it, and nothing that follows it on its connection is ever read as a request.
"""

import asyncio
import enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from common import errors
from gateway.http import header_checks, request_ids
from gateway.http.envelope import Problem
from gateway.http.error_answers import HTTP_STATUS, Late
from gateway.settings import Settings

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

LINGER_SECONDS = 5.0


class Stage(enum.Enum):
    """What comes next on the connection."""

    BETWEEN = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


class Protocol(HttpToolsProtocol):
    """Timers are started only for what does not arrive in one piece: most requests need none."""

    def __init__(self, *args: Any, settings: Settings, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings = settings
        self._stage = Stage.BETWEEN
        self._fruitless = 0
        """Bytes since the last that made a request's head or body longer."""
        self._in_window = 0
        self._had_to_wait = False
        self._is_deaf = False
        self._is_lingering = False
        self._refusal: errors.ServiceError | None = None
        self._answering: RequestResponseCycle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._unset_keepalive_if_required()
        if self._write_timer:
            self._write_timer.cancel()
        answering = self._answering
        if answering and not answering.response_complete:  # uvicorn tells only the last of a pipeline
            answering.disconnected = True
            answering.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._fruitless += len(data)
        self._in_window += len(data)
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, errors.ServiceError) else header_checks.malformed())
        else:
            if self._fruitless > header_checks.LARGEST_HEAD:
                in_head = self._stage is Stage.HEAD
                self._refuse(header_checks.headers_too_large() if in_head else header_checks.malformed())
            elif self._timer is None and (self._stage is not Stage.BETWEEN or not self._owes_an_answer()):
                self._watch()

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            method, version = self._parser.get_method(), self._parser.get_http_version()
            self.parser = httptools.HttpRequestParser(self)
            head = header_checks.without_upgrade(method, self.url, version, self.headers)
            self.parser.feed_data(head + data[upgrade.args[0] :])

    def on_message_begin(self) -> None:
        self._stage = Stage.HEAD
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > header_checks.LONGEST_TARGET:
            raise header_checks.target_too_long()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._stage is Stage.HEAD:  # else a trailer, which would join the headers of a request that runs
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if header_checks.is_upgrade(self._parser):
            return
        self.url = header_checks.target(self.url, self._parser.get_method(), self.headers)
        has_body = header_checks.check(self._parser.get_http_version(), self.headers)
        super().on_headers_complete()
        if has_body:
            self.cycle.transport = _Ending(self, self.transport)
        self._next(Stage.BODY)

    def on_body(self, body: bytes) -> None:
        self._fruitless = 0
        super().on_body(body)
        self._had_to_wait = self._had_to_wait or self.flow.read_paused

    def on_message_complete(self) -> None:
        if header_checks.is_upgrade(self._parser):
            return
        self._next(Stage.BETWEEN)
        self._state["body_has_ended"] = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._is_lingering:
            self.server_state.total_requests += 1
            return
        super().on_response_complete()
        if self._refusal and not self._owes_an_answer():
            self._tell(self._refusal)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._settings.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer:
            self._write_timer.cancel()

    def linger(self) -> None:
        """Ends the connection without a reset, which could reach the client before our answer does: what it
        still sends is thrown away for a moment.
        """
        self._is_deaf = self._is_lingering = True
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
        return self.parser  # pyright: ignore[reportReturnType]  there until the connection is lost

    @property
    def _state(self) -> dict[str, Any]:
        return self.scope["state"]  # pyright: ignore[reportTypedDictNotRequiredAccess]  uvicorn's are given one

    def _start_asgi_task(self, cycle: "RequestResponseCycle", app: "ASGI3Application") -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _owes_an_answer(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _next(self, stage: Stage) -> None:
        self._stage, self._fruitless = stage, 0
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        if self._stage is Stage.BODY:
            self._await_body()
        else:
            self._await_head()

    def _await_head(self) -> None:
        self._timer = self.loop.call_later(self._settings.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._timer = None
        if self._stage is Stage.HEAD:
            self._refuse(late("headers"))
        else:
            self.transport.close()

    def _await_body(self) -> None:
        self._in_window, self._had_to_wait = 0, self.flow.read_paused
        self._timer = self.loop.call_later(self._settings.body_seconds, self._judge_body)

    def _judge_body(self) -> None:
        """A client that we kept waiting is not at fault."""
        self._timer = None
        enough = self._settings.body_seconds * self._settings.body_bytes_per_second
        if self._had_to_wait or self._in_window >= enough:
            self._await_body()
        else:
            self._refuse(late("body"))

    def _refuse(self, error: errors.ServiceError) -> None:
        self._is_deaf = True
        self._stop_timer()
        if self._stage is Stage.BODY:  # its request is being answered, and ends with this
            self._state["body_failure"] = error
            self.cycle.keep_alive = False
            self.cycle.message_event.set()
        elif self._owes_an_answer():
            self._refusal = error
        else:
            self._tell(error)

    def _tell(self, error: errors.ServiceError) -> None:
        if not self.transport.is_closing():
            headers = self.headers or []
            self.transport.write(answer(error, request_ids.of(dict(headers))))
            self.linger()


class _Ending(asyncio.Transport):
    """The transport of a request with a body, which may be answered before it is read."""

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
    """What FastAPI would make of the error, had the request come that far."""
    status = HTTPStatus(HTTP_STATUS[type(error)])
    problem = Problem(message=error.message, code=error.reason, request_id=request_id)
    body = problem.model_dump_json(exclude_none=True).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\nX-Request-Id: {request_id}\r\n"
        "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: X-Request-Id\r\n\r\n"
    )
    return head.encode() + body


def late(what: str) -> Late:
    return Late(f"The request {what} did not arrive in time.", reason="request_timeout")
