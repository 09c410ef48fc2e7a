"""The pages that a person opens directly: the start page, and those that links in mails open.

The start page is answered without a redirect, because load balancers probe it. The pages for a new password
and for a restored address call only this API, run only their own script, and remove the signed text from
their address at once. Neither changes anything before a person presses its button, because mail servers open
links too. Nor does the page of a verification link, if the address would replace that of an account. The
first address of an account is verified as soon as its link is opened, as the contract says.
"""

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from common import errors
from gateway.backend import Backend, BackendDep
from gateway.http import error_answers
from gateway.http.pages import Page
from gateway.identity.access import limit_by_address
from gateway.routes.auth import verify_address
from loupe import refusals

router = APIRouter(include_in_schema=False)
START = Page("start.html", is_stored=True)
RESET_PASSWORD = Page("reset_password.html")
RESTORE_ADDRESS = Page("restore_address.html")
VERIFIED, LINK_FAILED = Page("email_verified.html"), Page("verification_failed.html")
CONFIRM_ADDRESS = Page("confirm_address.html")
VERIFY_LATER = Page("verify_later.html")


@router.get("/")
async def start_page() -> HTMLResponse:
    return START.answer()


@router.get("/reset-password")
async def reset_password_page(backend: BackendDep) -> HTMLResponse:
    return RESET_PASSWORD.answer(console=_hidden_without_console(backend))


@router.get("/restore-address")
async def restore_address_page() -> HTMLResponse:
    return RESTORE_ADDRESS.answer()


@router.get("/verify-email/{signed}", dependencies=[Depends(limit_by_address)])
async def verify_email_page(request: Request, signed: str, backend: BackendDep) -> Response:
    try:
        is_verified = await verify_address(request, backend, signed, keep_address=True)
    except errors.ServiceError as error:
        return _page_of_failure(error_answers.answer(request, error), error)
    page = VERIFIED if is_verified else CONFIRM_ADDRESS
    return page.answer(console=_hidden_without_console(backend))


def _hidden_without_console(backend: Backend) -> str:
    """Return the attribute that hides links to the console where there is none."""
    return "" if backend.console else "hidden"


def _page_of_failure(refusal: Response, error: errors.ServiceError) -> Response:
    """Return the page for a link that did not work, with the status and headers of the refusal."""
    page = LINK_FAILED if error.reason == refusals.INVALID_SIGNATURE.code else VERIFY_LATER
    answer = page.answer(refusal.status_code, message=error.message)
    if "retry-after" in refusal.headers:
        answer.headers["Retry-After"] = refusal.headers["retry-after"]
    return answer
