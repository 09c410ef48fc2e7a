"""Lets this process make only the system calls that it needs, by a filter in the kernel (seccomp).

Refused calls fail with EPERM. Threads can be started: libde265, which decodes HEIC, ends the process if it
cannot start one. Processes cannot, and no memory can be made executable.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator
from typing import NamedTuple

from confinement import system_calls
from confinement.kernel import system_call
from confinement.system_calls import Numbers

LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
"""Codes of instructions (BPF): load a word, jump if it equals, jump if it has any of the bits, end."""
ALLOW, FAIL = 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16
"""Offsets in the description of a system call. The kernel reads the low half of these arguments only."""
OTHER_ABI = 0x40000000
"""The bit in the numbers of x32, a second set of system calls on x86-64."""
SET_FILTER, ALL_THREADS = 1, 1
THREAD = 0x10000
"""The flag of `clone` that makes a thread instead of a process."""
EXECUTABLE = 4
SET_THREAD_NAME = 15


class Condition(NamedTuple):
    """A call that is allowed or refused by one argument."""

    call: Numbers
    argument: int
    test: int
    """`EQUAL` or `ANY_BIT`."""
    value: int
    allows: bool = True
    """Whether the call is allowed if the test is true, and not otherwise, or the other way round."""


class UnknownMachine(OSError):
    """There is no table of system calls for this kind of processor."""


def allow_only_needed_calls() -> None:
    """Refuse all other calls from now on, for all threads. No new privileges must be set before.

    Raise `OSError` if the kernel or the machine does not support it.
    """
    machine = platform.machine()
    if machine not in Numbers._fields:
        raise UnknownMachine(f"there is no table of system calls for {machine}")
    column = Numbers._fields.index(machine)
    program = b"".join(instructions(column))
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    pointer = ctypes.create_string_buffer(header, len(header))
    system_call(system_calls.SECCOMP[column], SET_FILTER, ALL_THREADS, pointer)


def conditions() -> tuple[Condition, ...]:
    return (
        Condition(system_calls.MMAP, 2, ANY_BIT, EXECUTABLE, allows=False),
        Condition(system_calls.MPROTECT, 2, ANY_BIT, EXECUTABLE, allows=False),
        Condition(system_calls.CLONE, 0, ANY_BIT, THREAD),
        Condition(system_calls.TGKILL, 0, EQUAL, os.getpid()),  # for abort()
        Condition(system_calls.PRCTL, 0, EQUAL, SET_THREAD_NAME),
    )


def instructions(column: int) -> Iterator[bytes]:
    """Yield the filter for the machine in this column of the table."""
    yield instruction(LOAD, ARCHITECTURE)
    yield instruction(EQUAL, system_calls.ARCHITECTURES[column], if_true=1)
    yield fail(errno.EPERM)
    yield instruction(LOAD, NUMBER)
    yield instruction(ANY_BIT, OTHER_ABI, if_false=1)
    yield fail(errno.EPERM)
    for call in system_calls.FREE.values():
        yield instruction(EQUAL, call[column], if_false=1)
        yield instruction(RETURN, ALLOW)
    for condition in conditions():
        yield instruction(EQUAL, condition.call[column], if_false=4)
        yield instruction(LOAD, ARGUMENTS + 8 * condition.argument)
        yield instruction(condition.test, condition.value, if_false=1)
        answers = [instruction(RETURN, ALLOW), fail(errno.EPERM)]
        yield from answers if condition.allows else reversed(answers)
    yield instruction(EQUAL, system_calls.CLONE3[column], if_false=1)
    yield fail(errno.ENOSYS)  # makes glibc take `clone`, whose flags can be read
    yield fail(errno.EPERM)


def fail(error: int) -> bytes:
    return instruction(RETURN, FAIL | error)


def instruction(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    """Return one instruction. The jumps are numbers of instructions to leave out."""
    return struct.pack("HBBI", code, if_true, if_false, value)
