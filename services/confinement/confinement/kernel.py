"""Calls of the Linux kernel that Python has no function for. They raise `OSError`."""

import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *arguments: int) -> int:
    """Call prctl(2). Arguments that are left out are 0."""
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(LIBC.prctl(ctypes.c_int(option), *padded))


def system_call(number: int, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    """Make a system call by its number."""
    plain = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _checked(LIBC.syscall(ctypes.c_long(number), *plain))


def unshare(flags: int) -> None:
    """Leave the namespaces that `flags` name for new ones."""
    _checked(LIBC.unshare(ctypes.c_int(flags)))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
