"""Tells how far a download is, and how it goes on (RFC 9110, section 14)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from loupe_client.errors import DownloadFailed

CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass
class Progress:
    """The bytes that are there, and what is known of all of them."""

    done: int = 0
    total: int | None = None
    tag: str = ""
    """The entity tag, by which a changed object is noticed."""
    is_complete: bool = False

    def headers(self) -> dict[str, str]:
        """Return the headers that ask for the rest."""
        plain = {"Accept-Encoding": "identity"}
        if not self.done:
            return plain
        return plain | {"Range": f"bytes={self.done}-"} | ({"If-Range": self.tag} if self.tag else {})

    def begin(self, status: int, headers: Mapping[str, str]) -> int:
        """Take note of an answer, and return how many of its bytes are there already.

        Raise `DownloadFailed` for a refusal, or if the object is another one than before.
        """
        if status not in (200, 206):
            raise DownloadFailed(f"The store answered {status}.", is_temporary=status >= 500 or status == 429)
        tag = headers.get("etag", "")
        found = CONTENT_RANGE.fullmatch(headers.get("content-range", "")) if status == 206 else None
        start = int(found[1]) if found else 0
        length = headers.get("content-length", "")
        total = int(found[2]) if found else int(length) if length.isdecimal() else None
        if self.done and (start > self.done or tag != self.tag or total != self.total):
            raise DownloadFailed("The result was replaced while it was downloaded.")
        self.tag, self.total = tag, total
        return self.done - start

    def finish(self) -> None:
        """Take note of the end of an answer. Raise a temporary `DownloadFailed` if bytes are missing."""
        if self.total is not None and self.done < self.total:
            raise DownloadFailed(f"{self.done} of {self.total} bytes arrived.", is_temporary=True)
        if self.total is not None and self.done > self.total:
            raise DownloadFailed(f"{self.done} bytes arrived instead of {self.total}.")
        self.is_complete = True
