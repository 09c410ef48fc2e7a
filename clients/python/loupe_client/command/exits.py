"""The exit codes of the command, which scripts rely on."""

from loupe_client import errors

DONE = 0
SOME_FAILED = 1
"""Some files were refused or failed, or the request was refused."""
USAGE = 2
"""The command line is wrong, or a file is missing."""
NO_ACCESS = 3
"""Nobody is logged in, or the account or its token may not do this."""
QUOTA_USED_UP = 4
UNREACHABLE = 5
"""The server does not answer, or is not Loupe."""
INTERRUPTED = 130
OUTPUT_CLOSED = 141
"""The program that reads the output has ended: a shell gives this code to a program that SIGPIPE ends."""

BY_ERROR = (
    (errors.QuotaExceeded, QUOTA_USED_UP),
    (errors.NotConfigured, NO_ACCESS),
    (errors.Unauthenticated, NO_ACCESS),
    (errors.PermissionDenied, NO_ACCESS),
    (errors.InvalidInput, USAGE),
    (errors.ConnectionFailed, UNREACHABLE),
    (errors.UnexpectedAnswer, UNREACHABLE),
    (errors.ServerError, UNREACHABLE),
)


def code_of(error: Exception) -> int:
    """Return the exit code for an error."""
    return next((code for kind, code in BY_ERROR if isinstance(error, kind)), SOME_FAILED)


def stops_a_run(error: Exception) -> bool:
    """Return whether the next file would meet the same error."""
    if isinstance(error, errors.TooManyRequests):
        return True
    return code_of(error) in (NO_ACCESS, QUOTA_USED_UP, UNREACHABLE)


def advice_of(error: Exception) -> str | None:
    """Return what the person can do about an error that does not say it, or None."""
    if type(error) is errors.Unauthenticated:
        return "The token is revoked, expired or wrong: run `loupe login`."
    return None
