"""Says whose fault it is that a decoding child ended: that of the picture, or of something else.

The same file ends the same decoder again. Only an end from outside, such as by the kernel or an operator, is
worth another attempt.
"""

import signal

from inference.errors import DecoderCrashed, Undecodable

OUT_OF_MEMORY = 77
"""The exit status of a child that found no memory while it sent its answer."""
REASONS = {
    -signal.SIGXCPU: "too_much_time",
    OUT_OF_MEMORY: "too_much_memory",
    **dict.fromkeys(
        (
            -signal.SIGABRT,
            -signal.SIGBUS,
            -signal.SIGFPE,
            -signal.SIGILL,
            -signal.SIGSEGV,
            -signal.SIGSYS,
            -signal.SIGTRAP,
        ),
        "decoder_crashed",
    ),
}
"""`Undecodable.reason` by exit status, which is negative for a signal."""


def crash(exit_status: int | None, error: Exception) -> Undecodable | DecoderCrashed:
    """Return the error for a child that ended with this status, or that sent a wrong answer."""
    text = f"the decoding child ended with exit code {exit_status}: {error!r}"
    reason = REASONS.get(exit_status) if exit_status is not None else None
    return Undecodable(text, reason=reason) if reason else DecoderCrashed(text)
