"""Names in an answer the fields of its request that had no effect: unknown, empty and repeated ones.

`warnings` is the last key of the envelope of a success, and is there only if there is a warning.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl

from fastapi import params
from fastapi.dependencies.utils import get_flat_params
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.near_misses import near_miss, suggestion
from gateway.http.routing import is_api_path

MOST_WARNINGS = 20
LONGEST_NAME = 64
"""Characters of a field's name in an answer."""
STATUSES = {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED}
"""The statuses of successes."""


@dataclass(slots=True)
class Warnings:
    """The warnings of one request."""

    listed: list[dict[str, str]] = field(default_factory=list)
    more: int = 0
    """The number of warnings that are not listed."""

    def add(self, name: str, text: str) -> None:
        """Add a warning. In its text, `{name}` is the name of the field."""
        if len(self.listed) == MOST_WARNINGS:
            self.more += 1
        else:
            self.listed.append({"field": shown(name), "message": text.replace("{name}", shown(name))})

    def add_unknown(self, name: str, known: Collection[str], within: str = "") -> None:
        """Add a warning for a field that is not known. `within` is in front of its name in the answer."""
        near = suggestion(name, known) if len(self.listed) < MOST_WARNINGS else None
        end = f": did you mean `{near}`?" if near else "."
        self.add(within + name, f"The {{name}} field is unknown and was ignored{end}")

    def add_fields(
        self, sent: Sequence[tuple[str, object]], known: Collection[str], lists: Collection[str] = ()
    ) -> None:
        """Add a warning for each field that is unknown, empty, or repeated although it is no list."""
        values = dict(sent)
        for name, times in Counter(name for name, _ in sent).items():
            if name not in known:
                self.add_unknown(name, known)
            elif times > 1 and name not in lists:
                self.add(name, f"The {{name}} field was sent {times} times: the last value was used.")
            elif values[name] == "":
                self.add(name, "The {name} field is empty and counts as not sent.")


def warnings_of(request: Request) -> Warnings:
    """Return the warnings of this request. Those that are added to them appear in its answer."""
    return _of_scope(request.scope)


def shown(name: str) -> str:
    """Return the name of a field as answers show it: not too long, and without control characters."""
    cut = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…"
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in cut)


def near_misses_of(names: Iterable[str], options: Collection[str]) -> dict[str, str]:
    """Return the names that only look like an option, as answers show them, and that option."""
    unknown = (name for name in names if name not in options)
    return {shown(name): option for name in unknown if (option := near_miss(name, options))}


def _of_scope(scope: Scope) -> Warnings:
    return scope.setdefault("state", {}).setdefault("warnings", Warnings())


class FieldWarnings:
    """Middleware that adds the warnings to the answers of the API."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_api_path(scope["path"]):
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = bytearray()

        async def send_with_warnings(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                if not _gets_warnings(scope, message):
                    await send(message)
                    return
                start = message
            elif start is None:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body"):
                    answer = _with_warnings(bytes(body), _of_scope(scope))
                    MutableHeaders(raw=start["headers"])["Content-Length"] = str(len(answer))
                    await send(start)
                    await send({"type": "http.response.body", "body": answer})

        await self._app(scope, receive, send_with_warnings)


def _gets_warnings(scope: Scope, start: Message) -> bool:
    """Add the warnings for the query, and return whether this answer has any."""
    if start["status"] not in STATUSES:
        return False
    if scope["query_string"]:
        sent = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        _of_scope(scope).add_fields(sent, _query_parameters(scope))
    is_json = MutableHeaders(raw=start["headers"]).get("content-type") == "application/json"
    return is_json and bool(_of_scope(scope).listed)


def _query_parameters(scope: Scope) -> list[str]:
    """Return the names of the query parameters of the route that answers."""
    dependant = getattr(scope.get("route"), "dependant", None)
    if dependant is None:
        return []
    return [one.alias for one in get_flat_params(dependant) if isinstance(one.field_info, params.Query)]


def _with_warnings(body: bytes, warnings: Warnings) -> bytes:
    envelope = json.loads(body)
    listed = list(warnings.listed)
    if warnings.more:
        listed.append({"field": "*", "message": f"{warnings.more} more fields have warnings like these."})
    return json.dumps(envelope | {"warnings": listed}, ensure_ascii=False, separators=(",", ":")).encode()
