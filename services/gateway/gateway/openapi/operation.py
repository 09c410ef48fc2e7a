"""The description of one operation of the API. It stands above its route."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from gateway.http.envelope import Data, Envelope, Message
from loupe import refusals
from loupe.refusals import Refusal

Json = dict[str, Any]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Links:
    """Links to the operations that accept the id of the object that this operation has created."""

    operations: tuple[str, ...]
    parameter: str
    """The parameter that takes the id."""
    new_id: str = "/data/id"
    """The JSON pointer to the id in the answer."""


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request. Clients that are generated name its type by `name`."""

    name: str
    media_type: str
    schema: Json
    example: Json | None = None
    parts: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """The schemas of the objects in it, by the names that the body's schema refers to."""


@dataclass(frozen=True, slots=True)
class Operation:
    """The description of a route in /openapi.json. The route answers with `message`.

    Refusals that follow from the route's access, parameters or body need not be listed.
    """

    id: str
    summary: str
    message: str
    description: str
    other_messages: tuple[str, ...] = ()
    """Other messages of a successful answer."""
    example_data: Any = None
    """An example of the answer's data."""
    file_type: str = ""
    """The media type of an answer that is a file, without an envelope."""
    body: Body | None = None
    """The request body, from `json_body` or `multipart_body`."""
    other_body: Body | None = None
    """A body of another media type that the route takes too."""
    refusals: tuple[Refusal, ...] = ()
    """Refusals that only this operation has."""
    links: Links | None = None
    token_is_optional: bool = False
    waits_for: str = ""
    """The operation whose answer this one gives, with status 200, if the client prefers to wait."""

    @property
    def may_wait(self) -> bool:
        """Whether its answer may come only when an image or a batch has ended."""
        return refusals.TOO_MANY_WAITS in self.refusals

    @property
    def takes_key(self) -> bool:
        """Whether a client can repeat it with an idempotency key."""
        return refusals.IDEMPOTENCY_KEY_IN_USE in self.refusals

    def describes(self, endpoint: Endpoint) -> Endpoint:
        """Attach this description to a route's function. Use it as a decorator."""
        cast("Any", endpoint).operation = self
        return endpoint

    def answer(self, data: Data) -> Envelope[Data]:
        return Envelope(message=self.message, data=data)

    def done(self) -> Message:
        """Return the answer of an operation that has no data."""
        return Message(message=self.message)


def operation_of(endpoint: object) -> Operation | None:
    return getattr(endpoint, "operation", None)


def json_body(model: type[BaseModel], *required: str, example: Json) -> Body:
    """Describe a small body.

    It may also be urlencoded. The description leaves that out, because generators of clients fail on a body
    that has two types.
    """
    schema = model.model_json_schema() | {"required": list(required)}
    return Body(model.__name__, "application/json", schema, example)


def multipart_body(name: str, properties: Json, *required: str) -> Body:
    schema = {"type": "object", "required": list(required), "properties": properties}
    return Body(name, "multipart/form-data", schema)
