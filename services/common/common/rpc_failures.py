"""Turns every exception into the error that the caller receives, and logs the ones that need attention.

A `ServiceError` is passed on. An unreachable dependency becomes `Unavailable`. Anything else is logged with
its traceback, and the caller receives only `internal_error`.
"""

import nats.errors
import urllib3.exceptions

from common import errors, log
from common.repeated import Repeated
from loupe import refusals
from loupe.refusals import Refusal

LOG = log.get(__name__)
REPEATED = Repeated(LOG)

OUTAGES: dict[type[Exception], Refusal] = {
    nats.errors.Error: refusals.BROKER_UNAVAILABLE,
    urllib3.exceptions.HTTPError: refusals.OBJECT_STORE_UNAVAILABLE,
}
"""Exceptions that say that a dependency cannot be reached. `common.db` adds those of the database, so that
processes without one need not load its libraries.
"""


def outage_of(error: Exception) -> Refusal | None:
    """Return the refusal for an unreachable dependency, or None for any other error."""
    return next((refusal for kind, refusal in OUTAGES.items() if isinstance(error, kind)), None)


def to_service_error(error: Exception, where: str) -> errors.ServiceError:
    """Return the error for the caller. `where` names the method or route in the log."""
    if isinstance(error, errors.ServiceError):
        return error
    if refusal := outage_of(error):
        REPEATED.warning(
            "dependency unavailable",
            cause=refusal.code,
            where=where,
            error=log.error_text(error),
            action=f"calls fail with {refusal.code}",
        )
        return errors.refused(refusal)
    LOG.error("internal error", where=where, action="the call fails with internal_error", exc_info=error)
    return errors.refused(refusals.INTERNAL_ERROR)
