"""The page that the link in a reset mail opens.

It calls only this API, runs only its own script, and removes the signed text from its address at once.
"""

import base64
import hashlib
import re
from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)
PAGE = files("gateway").joinpath("reset_password.html").read_text(encoding="utf-8")


def _hash_of(element: str) -> str:
    """Return the hash of the element's text, as a Content-Security-Policy needs it."""
    [text] = re.findall(rf"<{element}>(.*?)</{element}>", PAGE, re.DOTALL)
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; script-src {_hash_of('script')}; style-src {_hash_of('style')}; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@router.get("/reset-password")
async def reset_password_page() -> HTMLResponse:
    return HTMLResponse(PAGE, headers=HEADERS)
