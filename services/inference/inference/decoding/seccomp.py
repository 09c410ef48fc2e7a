"""Forbids this process to start other processes, by a filter of system calls (seccomp, Linux).

Threads stay possible: libde265, which decodes HEIC, starts one and ends the process if it cannot.
`RLIMIT_NPROC` would forbid both, and does not bind root.
"""

import ctypes
import errno
import platform
import struct
from collections.abc import Iterator
from typing import NamedTuple

LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
"""Codes of instructions (BPF): load a word, jump if it equals, jump if it has any of the bits, end."""
ALLOW, FAIL = 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
"""Offsets in the description of a system call."""
THREAD = 0x10000
"""The flag of `clone` that makes a thread instead of a process."""
OTHER_ABI = 0x40000000
"""The bit in the numbers of x32, a second set of system calls on x86-64."""
SET_SECCOMP, FILTER, SET_NO_NEW_PRIVILEGES = 22, 2, 38


class Calls(NamedTuple):
    architecture: int
    clone: int
    clone3: int
    forbidden: tuple[int, ...]
    """fork, vfork, execve and execveat."""


MACHINES = {
    "x86_64": Calls(0xC000003E, 56, 435, (57, 58, 59, 322)),
    "aarch64": Calls(0xC00000B7, 220, 435, (221, 281)),
}


def forbid_processes() -> bool:
    """Return whether it worked: the kernel or the machine may not support it."""
    calls = MACHINES.get(platform.machine())
    if calls is None:
        return False
    program = b"".join(instructions(calls))
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    return prctl(SET_SECCOMP, FILTER, ctypes.create_string_buffer(header, len(header)), 0, 0) == 0


def instructions(calls: Calls) -> Iterator[bytes]:
    """Yield the filter. A jump names the instruction that follows if it is true."""
    allow, deny, unknown = 3, 4, 5  # places from the end of the checks
    checks = [(ANY_BIT, OTHER_ABI, deny), *((EQUAL, number, deny) for number in calls.forbidden)]
    checks.append((EQUAL, calls.clone3, unknown))
    yield instruction(LOAD, ARCHITECTURE)
    yield instruction(EQUAL, calls.architecture, if_false=1 + len(checks) + deny)
    yield instruction(LOAD, NUMBER)
    for position, (code, value, place) in enumerate(checks, 1):
        yield instruction(code, value, if_true=len(checks) - position + place)
    yield instruction(EQUAL, calls.clone, if_false=allow - 1)
    yield instruction(LOAD, FIRST_ARGUMENT)
    yield instruction(ANY_BIT, THREAD, if_false=deny - allow)
    yield instruction(RETURN, ALLOW)
    yield instruction(RETURN, FAIL | errno.EPERM)
    yield instruction(RETURN, FAIL | errno.ENOSYS)  # makes glibc take `clone`, whose flags can be read


def instruction(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)
