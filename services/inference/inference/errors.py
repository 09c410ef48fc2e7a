"""Errors about one file, which several stages of a job raise or catch."""


class Undecodable(Exception):
    """This file is broken or of a kind that is not supported. Another try would not help."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason
        """A key of `worker.FAILURE_TEXTS`, such as `corrupt_image`."""


class DecoderCrashed(Exception):
    """The decoding child was ended from outside, or hung. Another one may succeed."""
