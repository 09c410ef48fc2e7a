"""Turns the failures of a connection into refusals, and ends a request that takes too long."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator

import httpcore2

from outbound.guard.refused import Reason, Refused
from outbound.guard.urls import address_refused

FORBIDDEN = "403"


@contextlib.asynccontextmanager
async def refusing(seconds: float) -> AsyncGenerator[None]:
    """Raise `Refused` for all failures of `httpcore2`, and when these seconds are over, whatever is under
    way then.
    """
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            yield
    except TimeoutError as error:
        if not deadline.expired():
            raise  # the caller's own
        raise Refused(
            Reason.TOO_SLOW, f"The host of the {{field}} did not send all of its answer within {seconds:g} s."
        ) from error
    except httpcore2.TimeoutException as error:
        raise Refused(Reason.TOO_SLOW, "The host of the {field} could not be reached in time.") from error
    except httpcore2.ConnectError as error:
        raise _of_connection(error) from error
    except httpcore2.NetworkError as error:
        raise Refused(
            Reason.CONNECTION_FAILED, "The connection to the host of the {field} broke off."
        ) from error
    except httpcore2.RemoteProtocolError as error:
        raise Refused(
            Reason.ANSWER_INVALID, "The host of the {field} did not answer in valid HTTP."
        ) from error
    except httpcore2.ProxyError as error:
        if str(error).startswith(FORBIDDEN):
            raise address_refused() from error
        raise Refused(Reason.CONNECTION_FAILED, "The host of the {field} could not be reached.") from error


def _of_connection(error: BaseException) -> Refused:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Refused(
                Reason.TLS_FAILED, "The host of the {field} has no valid certificate, or failed to encrypt."
            )
        if isinstance(cause, ConnectionRefusedError):
            return Refused(Reason.CONNECTION_REFUSED, "The host of the {field} refused the connection.")
        cause = cause.__cause__ or cause.__context__  # httpcore2 hides the cause, but not the context
    return Refused(Reason.CONNECTION_FAILED, "The host of the {field} could not be reached.")
