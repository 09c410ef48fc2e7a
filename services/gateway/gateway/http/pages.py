"""Lists in pages: which one is asked for, and where the others are."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from pydantic import BeforeValidator

from common import errors
from gateway.http.envelope import Data, Links, Meta, Page
from gateway.routes.account import base_url

MOST_PER_PAGE = 100
USUAL_PER_PAGE = 15
LAST_PAGE = 2**31 // MOST_PER_PAGE
KEPT = ("per_page", "status")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Asked:
    """The page that a client wants."""

    number: int
    size: int


def within(text: object, usual: int, most: int) -> int:
    """A number from the query, clamped to 1..most; the usual one where it is none."""
    return min(most, max(1, int(str(text)))) if re.fullmatch(r"-?[0-9]{1,12}", str(text)) else usual


Number = Annotated[int, BeforeValidator(partial(within, usual=1, most=LAST_PAGE)), Query(ge=1)]
Size = Annotated[
    int,
    BeforeValidator(partial(within, usual=USUAL_PER_PAGE, most=MOST_PER_PAGE)),
    Query(ge=1, le=MOST_PER_PAGE),
]


async def asked(page: Number = 1, per_page: Size = USUAL_PER_PAGE) -> Asked:
    return Asked(page, per_page)


Paging = Annotated[Asked, Depends(asked)]


def selected(status: str | None, values: Mapping[str, Value], everything: Value) -> Value:
    """What is left empty is not asked for, as everywhere in forms and queries."""
    if not status:
        return everything
    if status not in values:
        raise errors.invalid({"status": ["The selected status is invalid."]})
    return values[status]


def page(request: Request, message: str, data: Sequence[Data], paging: Asked, total: int) -> Page[Data]:
    last = max(1, -(-total // paging.size))
    meta = Meta(current_page=paging.number, last_page=last, per_page=paging.size, total=total)
    return Page(message=message, data=list(data), meta=meta, links=_links(request, paging.number, last))


def _links(request: Request, number: int, last: int) -> Links:
    """They keep `per_page` and `status` as they were asked for; behind the end, `prev` is the last page."""
    kept = {name: request.query_params[name] for name in KEPT if name in request.query_params}

    def link(other: int) -> str:
        return f"{base_url(request)}{request.url.path}?{urlencode({'page': other} | kept)}"

    return Links(
        first=link(1),
        last=link(last),
        prev=link(min(number - 1, last)) if number > 1 else None,
        next=link(number + 1) if number < last else None,
    )
