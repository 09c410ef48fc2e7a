"""Lists in pages: the page that a client requests, and links to other pages."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from pydantic import BeforeValidator

from common import errors
from gateway.backend import base_url
from gateway.http.envelope import Data, Links, Meta, Page
from gateway.http.field_warnings import warnings_of

MOST_PER_PAGE = 100
USUAL_PER_PAGE = 15
LAST_PAGE = 2**31 // MOST_PER_PAGE
PAGES_DESCRIPTION = (
    "Newest first. A `page` or `per_page` that is invalid or out of range is replaced by a valid one."
)
LINKED_PARAMETERS = ("per_page", "status", "type", "event", "user_id", "from", "to", "search")
"""Query parameters that the links repeat."""
Value = TypeVar("Value")


def _clamped(text: object, usual: int, most: int) -> int:
    """Return the number in the query, clamped to 1..most; `usual` if it is not a number."""
    return min(most, max(1, int(str(text)))) if re.fullmatch(r"-?[0-9]{1,12}", str(text)) else usual


Number = Annotated[int, BeforeValidator(partial(_clamped, usual=1, most=LAST_PAGE)), Query(ge=1)]
Size = Annotated[
    int,
    BeforeValidator(partial(_clamped, usual=USUAL_PER_PAGE, most=MOST_PER_PAGE)),
    Query(ge=1, le=MOST_PER_PAGE),
]


@dataclass(frozen=True, slots=True)
class RequestedPage:
    """The page that a client requests."""

    number: int
    size: int
    request: Request

    def answer(self, message: str, data: Sequence[Data], total: int) -> Page[Data]:
        """Return the page with these items, of `total` items in the whole list."""
        last = max(1, -(-total // self.size))
        meta = Meta(current_page=self.number, last_page=last, per_page=self.size, total=total)
        return Page(message=message, data=list(data), meta=meta, links=self._links(last))

    def _links(self, last: int) -> Links:
        """Return links to other pages. Beyond the end of the list, `prev` is the last page."""
        query, url = self.request.query_params, f"{base_url(self.request)}{self.request.url.path}"
        repeated = {name: query[name] for name in LINKED_PARAMETERS if name in query}

        def link(number: int) -> str:
            return f"{url}?{urlencode({'page': number} | repeated)}"

        return Links(
            first=link(1),
            last=link(last),
            prev=link(min(self.number - 1, last)) if self.number > 1 else None,
            next=link(self.number + 1) if self.number < last else None,
        )


async def _requested_page(
    request: Request, page: Number = 1, per_page: Size = USUAL_PER_PAGE
) -> RequestedPage:
    for name, used in (("page", page), ("per_page", per_page)):
        if (sent := request.query_params.get(name)) and sent != str(used):
            warnings_of(request).add(name, f"The {{name}} field is invalid or out of range: {used} was used.")
    return RequestedPage(page, per_page, request)


Paging = Annotated[RequestedPage, Depends(_requested_page)]


def parse_status(status: str | None, values: Mapping[str, Value], any_status: Value) -> Value:
    """Return the value for a status in the query; `any_status` if it is missing or empty."""
    if not status:
        return any_status
    if status not in values:
        raise errors.invalid({"status": [errors.choice_text("status", values)]})
    return values[status]
