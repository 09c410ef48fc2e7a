# Generated from _async/transport.py by `make client`. Do not edit.
"""Sends requests to the API, again after failures, and returns what the answers carry."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx2

from loupe_client.answers import envelope_of, refusal_of
from loupe_client.backoff import pause_seconds
from loupe_client.errors import ApiError, ConnectionFailed, LoupeError, ServerError
from loupe_client.servers import Server, is_loopback
from loupe_client.version import USER_AGENT

LOG = logging.getLogger("loupe_client")
TIMEOUT = httpx2.Timeout(60, connect=10)
NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
"""Failures after which the server has certainly seen nothing."""
CROWDED = ("too_many_waits", "too_many_event_streams")
"""Limits that another way of waiting avoids: repeating does not help."""
Parts = Callable[[ExitStack], list[tuple[str, Any]]]
"""Opens the files of a form, for one attempt."""


@dataclass(frozen=True)
class Failure:
    """An attempt that failed, and whether another one may succeed without taking effect twice."""

    error: LoupeError
    may_pass: bool


class Transport:
    """The connection to one server as one user."""

    def __init__(
        self,
        server: Server,
        *,
        retries: int,
        longest_pause_seconds: float,
        http: httpx2.Client | None = None,
    ) -> None:
        self.server = server
        self.retries = retries
        self._longest_pause_seconds = longest_pause_seconds
        self._is_own = http is None
        self.http = http or httpx2.Client(timeout=TIMEOUT, trust_env=not is_loopback(server.url))

    def close(self) -> None:
        if self._is_own:
            self.http.close()

    def call(self, method: str, path: str, **options: Any) -> Any:
        """Send a request, and return the data of the answer. Options are those of `send`.

        None if there is no data, also if an earlier attempt has deleted what a repeated DELETE does not find.
        """
        answer = self.send(method, path, **options)
        return envelope_of(answer).get("data") if answer.is_success else None

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        parts: Parts | None = None,
        key: str | None = None,
    ) -> httpx2.Response:
        """Send a request until the server answers for good, and return a success. Raise for a refusal.

        A 404 of a repeated DELETE counts as a success: the first attempt was received.

        `key` is the idempotency key. A POST without one is sent again only if it certainly did not arrive.
        """
        is_repeatable = method != "POST" or key is not None
        request: dict[str, Any] = {
            "params": without_none(query),
            "json": None if body is None else without_none(body),
            "data": None if form is None else {name: str(value) for name, value in form.items()},
            "headers": self.headers() | ({"Idempotency-Key": key} if key else {}),
        }
        attempt = 0
        while True:
            answer = self._send_once(method, path, request, parts, is_repeatable, attempt > 0)
            if isinstance(answer, httpx2.Response):
                return answer
            pause = pause_seconds(attempt, getattr(answer.error, "retry_after", None))
            if not answer.may_pass or attempt >= self.retries or pause > self._longest_pause_seconds:
                raise answer.error
            text = "%s %s failed and is sent again in %.0f s: %s"
            LOG.info(text, method, path, pause, answer.error, extra={"pause_seconds": pause})
            time.sleep(pause)
            attempt += 1

    def _send_once(
        self,
        method: str,
        path: str,
        request: Mapping[str, Any],
        parts: Parts | None,
        is_repeatable: bool,
        is_repeated: bool,
    ) -> "httpx2.Response | Failure":
        try:
            with ExitStack() as files:
                sent: dict[str, Any] = {**request, "files": parts(files) if parts else None}
                response = self.http.request(method, self.server.url + path, **sent)
        except httpx2.TransportError as error:
            failure = ConnectionFailed(no_answer(self.server.url, error))
            failure.__cause__ = error
            return Failure(failure, is_repeatable or isinstance(error, NOT_SENT))
        LOG.debug("%s %s answered %s", method, path, response.status_code)
        is_gone = is_repeated and method == "DELETE" and response.status_code == 404
        if response.is_success or is_gone:
            return response
        refusal = failure_of(response)
        return Failure(refusal, may_pass(refusal, is_repeatable=is_repeatable))

    def headers(self) -> dict[str, str]:
        """Return the headers of each request."""
        own = {"User-Agent": USER_AGENT, "Accept": "application/json"}
        return own | ({"Authorization": f"Bearer {self.server.token}"} if self.server.token else {})


def failure_of(response: httpx2.Response) -> LoupeError:
    """Return the error that an answer without success is."""
    try:
        envelope_of(response)
    except LoupeError as error:
        return error
    return refusal_of(response, {})


def may_pass(failure: LoupeError, *, is_repeatable: bool) -> bool:
    """Return whether the same request may succeed soon."""
    if not isinstance(failure, ApiError):
        return False
    if failure.status == 429:
        return failure.code not in CROWDED
    return is_repeatable and (
        failure.status in (502, 503, 504)
        or failure.code == "idempotency_key_in_use"
        or (isinstance(failure, ServerError) and failure.retry_after is not None)
    )


def no_answer(url: str, error: Exception) -> str:
    """Return a sentence about a server that does not answer."""
    reason = str(error) or type(error).__name__
    return f"No answer from {url}: {reason}"


def without_none(values: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (values or {}).items() if value is not None}
