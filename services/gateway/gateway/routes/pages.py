"""The pages that a person opens directly: the start page, and the one that the link in a reset mail opens.

The start page is answered without a redirect, because load balancers probe it. The other page calls only this
API, runs only its own script, and removes the signed text from its address at once.
"""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from gateway.http.pages import Page

router = APIRouter(include_in_schema=False)
START = Page("start.html", is_stored=True)
RESET_PASSWORD = Page("reset_password.html")


@router.get("/")
async def start_page() -> HTMLResponse:
    return START.answer()


@router.get("/reset-password")
async def reset_password_page() -> HTMLResponse:
    return RESET_PASSWORD.answer()
