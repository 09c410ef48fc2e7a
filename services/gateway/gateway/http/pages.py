"""The few pages for people. They load nothing from elsewhere.

Their texts are files in `gateway/pages`. All of them have the style of `style.css`.
"""

import base64
import hashlib
import html
import re
from importlib.resources import files

from fastapi.responses import HTMLResponse

FOLDER = files("gateway") / "pages"
STYLE = (FOLDER / "style.css").read_text(encoding="utf-8")


class Page:
    """A page whose text can have `{{ name }}` where an answer has a value."""

    def __init__(self, name: str, *, is_stored: bool = False) -> None:
        text = (FOLDER / name).read_text(encoding="utf-8")
        self._text = text.replace("<style></style>", f"<style>{STYLE}</style>")
        self._headers = {
            "Content-Security-Policy": (
                f"default-src 'none'; script-src {_hash_of('script', self._text)}; "
                f"style-src {_hash_of('style', self._text)}; connect-src 'self'; img-src data:; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            "Cache-Control": "max-age=300" if is_stored else "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }

    def answer(self, status: int = 200, **values: str) -> HTMLResponse:
        """Return the page with these values, which may hold any text."""
        text = self._text
        for name, value in values.items():
            text = text.replace(f"{{{{ {name} }}}}", html.escape(value))
        return HTMLResponse(text, status, self._headers)


def _hash_of(element: str, text: str) -> str:
    """Return the hash of the element's text, for a Content-Security-Policy; 'none' if there is none."""
    found = re.search(rf"<{element}>(.*?)</{element}>", text, re.DOTALL)
    if not found:
        return "'none'"
    return f"'sha256-{base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()}'"
