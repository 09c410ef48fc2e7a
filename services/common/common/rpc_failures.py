"""What any exception means to a caller: a `ServiceError` stays, a dependency that is away is `Unavailable`,
the rest is logged once and leaves as `internal_error`.
"""

import nats.errors
import sqlalchemy.exc
import urllib3.exceptions

from common import errors, log

LOG = log.get(__name__)

AWAY: tuple[tuple[type[Exception], str], ...] = (
    (sqlalchemy.exc.OperationalError, "database_unavailable"),
    (sqlalchemy.exc.InterfaceError, "database_unavailable"),
    (sqlalchemy.exc.TimeoutError, "database_unavailable"),
    (nats.errors.Error, "broker_unavailable"),
    (urllib3.exceptions.HTTPError, "object_store_unavailable"),
)


def to_service_error(error: Exception, where: str) -> errors.ServiceError:
    if isinstance(error, errors.ServiceError):
        return error
    for kind, reason in AWAY:
        if isinstance(error, kind):
            LOG.warning("dependency away", where=where, error=f"{type(error).__name__}: {error}")
            return errors.Unavailable("Service temporarily unavailable.", reason=reason)
    LOG.error("internal error", where=where, exc_info=error)
    return errors.Internal("Something went wrong on our end. Try again later.", reason="internal_error")
