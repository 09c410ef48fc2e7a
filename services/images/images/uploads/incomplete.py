"""The refusal of an upload that is not whole. Its caller has hung up, so nobody reads it."""

from common import errors


def incomplete_upload() -> errors.InvalidArgument:
    """Return the error for an upload that ended before its options arrived."""
    return errors.InvalidArgument("The upload ended early.", reason="incomplete_upload")
