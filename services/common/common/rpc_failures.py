"""What any exception means to a caller: a `ServiceError` stays, a dependency that is away is `Unavailable`,
the rest is logged once and leaves as `internal_error`.
"""

import nats.errors
import sqlalchemy.exc
import urllib3.exceptions

from common import errors, log
from loupe import refusals
from loupe.refusals import Refusal

LOG = log.get(__name__)

AWAY: tuple[tuple[type[Exception], Refusal], ...] = (
    (sqlalchemy.exc.OperationalError, refusals.DATABASE_UNAVAILABLE),
    (sqlalchemy.exc.InterfaceError, refusals.DATABASE_UNAVAILABLE),
    (sqlalchemy.exc.TimeoutError, refusals.DATABASE_UNAVAILABLE),
    (nats.errors.Error, refusals.BROKER_UNAVAILABLE),
    (urllib3.exceptions.HTTPError, refusals.OBJECT_STORE_UNAVAILABLE),
)


def to_service_error(error: Exception, where: str) -> errors.ServiceError:
    if isinstance(error, errors.ServiceError):
        return error
    for kind, refusal in AWAY:
        if isinstance(error, kind):
            LOG.warning("dependency away", where=where, error=f"{type(error).__name__}: {error}")
            return errors.refused(refusal)
    LOG.error("internal error", where=where, exc_info=error)
    return errors.refused(refusals.INTERNAL_ERROR)
