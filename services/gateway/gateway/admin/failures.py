"""Errors that `loupe-admin` prints as one sentence."""

from common import errors
from loupe import refusals


class CommandFailed(Exception):
    """The command could not be carried out. The message is a sentence for the operator."""


class UsageError(Exception):
    """The arguments do not fit together. The message says why."""


class NotAnswering(errors.Unavailable):
    """A service does not answer, or cannot work for this operator. The message names it and its address."""


def of_service(name: str, target: str, error: errors.ServiceError) -> errors.ServiceError:
    """Return the error of a call to a service. It names the service if that is at fault."""
    text = _fault(error)
    if text is None or isinstance(error, NotAnswering):
        return error
    return NotAnswering(f"the {name} service at {target} {text}", reason=error.reason)


def _fault(error: errors.ServiceError) -> str | None:
    """Return what is wrong with the service. None if it works, and refused the request."""
    match error:
        case errors.Unavailable(reason=refusals.SERVICE_UNAVAILABLE.code):
            return "does not answer; is the stack running?"
        case errors.Unavailable():
            return f"cannot work now ({error.reason.replace('_', ' ')}); try again later."
        case errors.DeadlineExceeded():
            return "took too long to answer."
        case errors.Internal() if error.message.startswith("UNIMPLEMENTED"):
            return "does not know this command; upgrade it first."
        case errors.Unauthenticated(reason="client_refused"):
            return "refused the secret of the operator; check LOUPE_OPERATOR_SECRET."
        case _:
            return None


def sentence_of(error: errors.ServiceError) -> str:
    """Return the text for a person: what is wrong with each field, or else the message."""
    texts = [text for of_field in error.fields.values() for text in of_field]
    return " ".join(texts) or error.message
