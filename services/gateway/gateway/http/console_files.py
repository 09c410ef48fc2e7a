"""The files of the web console, as `vite build` has made them. They are small, and stay in memory."""

import gzip
import mimetypes
from collections.abc import Sequence
from pathlib import Path

from fastapi import Request, Response

FOR_A_YEAR = "public, max-age=31536000, immutable"
"""The names of all files but the page contain a hash of their content."""


class ConsoleFiles:
    """The page of the console, and the files that it loads."""

    def __init__(self, folder: Path, picture_origins: Sequence[str]) -> None:
        """`picture_origins` are the origins of the object store, from which pictures come.

        Raise `OSError` if the folder holds no page.
        """
        self._page = (folder / "index.html").read_bytes()
        self._files = {
            str(path.relative_to(folder)): path.read_bytes()
            for path in sorted((folder / "files").iterdir())
            if path.is_file()
        }
        self._compressed = {name: gzip.compress(data, mtime=0) for name, data in self._files.items()}
        others = " ".join(picture_origins)
        self._headers = {
            "Content-Security-Policy": (
                "default-src 'none'; script-src 'self'; style-src 'self'; "
                f"img-src 'self' blob: {others}; connect-src 'self' {others}; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-cache",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    def page(self) -> Response:
        """Return the one page. Its script shows what belongs to the address."""
        return Response(self._page, media_type="text/html", headers=self._headers)

    def file(self, name: str, request: Request) -> Response | None:
        """Return a file that the page loads, or None if there is none with this name."""
        if name not in self._files:
            return None
        takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
        headers = {
            "Cache-Control": FOR_A_YEAR,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if takes_gzip:
            headers["Content-Encoding"] = "gzip"
        data = (self._compressed if takes_gzip else self._files)[name]
        return Response(data, media_type=mimetypes.guess_type(name)[0], headers=headers)
