"""Lists in pages: which page a client wants, and links to the others."""

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

MOST_PER_PAGE = 100
USUAL_PER_PAGE = 15
LAST_PAGE = 2**31 // MOST_PER_PAGE
LINKED_PARAMETERS = ("per_page", "status")
"""Query parameters that links to other pages repeat."""
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
class WantedPage:
    """The page that a client wants."""

    number: int
    size: int
    request: Request

    def answer(self, message: str, data: Sequence[Data], total: int) -> Page[Data]:
        """Return the page with these items, of `total` items in the whole list."""
        last = max(1, -(-total // self.size))
        meta = Meta(current_page=self.number, last_page=last, per_page=self.size, total=total)
        return Page(message=message, data=list(data), meta=meta, links=self._links(last))

    def _links(self, last: int) -> Links:
        """Beyond the end of the list, `prev` is the last page."""
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


async def _wanted_page(request: Request, page: Number = 1, per_page: Size = USUAL_PER_PAGE) -> WantedPage:
    return WantedPage(page, per_page, request)


Paging = Annotated[WantedPage, Depends(_wanted_page)]


def selected(status: str | None, values: Mapping[str, Value], everything: Value) -> Value:
    """Return the value for a status in the query; `everything` if it is missing or empty."""
    if not status:
        return everything
    if status not in values:
        raise errors.invalid({"status": ["The selected status is invalid."]})
    return values[status]
