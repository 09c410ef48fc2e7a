"""Pages of lists that are short enough to be read whole."""

from collections.abc import Sequence

from gateway.http.envelope import Data, Page
from gateway.routes.paging import RequestedPage


def page_of(paging: RequestedPage, message: str, items: Sequence[Data]) -> Page[Data]:
    first = (paging.number - 1) * paging.size
    return paging.answer(message, items[first : first + paging.size], len(items))
