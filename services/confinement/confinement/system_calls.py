"""The table of system calls that a confined process may make. All others are refused.

They suffice to use memory and threads, and to read and write what is open already. None of them takes a path,
an address or the number of another process, except where `seccomp` looks at the arguments.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Numbers(NamedTuple):
    """The number of one call on each machine."""

    x86_64: int
    aarch64: int


ARCHITECTURES = Numbers(0xC000003E, 0xC00000B7)
"""How the kernel names the machines in the description of a call."""

FREE: Mapping[str, Numbers] = {
    "read": Numbers(0, 63),
    "write": Numbers(1, 64),
    "readv": Numbers(19, 65),
    "writev": Numbers(20, 66),
    "close": Numbers(3, 57),
    "fstat": Numbers(5, 80),
    "lseek": Numbers(8, 62),
    "brk": Numbers(12, 214),
    "munmap": Numbers(11, 215),
    "mremap": Numbers(25, 216),
    "madvise": Numbers(28, 233),
    "rt_sigaction": Numbers(13, 134),
    "rt_sigprocmask": Numbers(14, 135),
    "rt_sigreturn": Numbers(15, 139),
    "sigaltstack": Numbers(131, 132),
    "restart_syscall": Numbers(219, 128),
    "futex": Numbers(202, 98),
    "set_robust_list": Numbers(273, 99),
    "rseq": Numbers(334, 293),
    "sched_yield": Numbers(24, 124),
    "sched_getaffinity": Numbers(204, 123),
    "getcpu": Numbers(309, 168),
    "nanosleep": Numbers(35, 101),
    "clock_nanosleep": Numbers(230, 115),
    "clock_gettime": Numbers(228, 113),
    "clock_getres": Numbers(229, 114),
    "gettimeofday": Numbers(96, 169),
    "getrusage": Numbers(98, 165),
    "getrandom": Numbers(318, 278),
    "getpid": Numbers(39, 172),
    "gettid": Numbers(186, 178),
    "exit": Numbers(60, 93),
    "exit_group": Numbers(231, 94),
}
"""Calls that are allowed with any arguments."""

MMAP = Numbers(9, 222)
MPROTECT = Numbers(10, 226)
CLONE = Numbers(56, 220)
CLONE3 = Numbers(435, 435)
TGKILL = Numbers(234, 131)
PRCTL = Numbers(157, 167)
SECCOMP = Numbers(317, 277)
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446
"""Newer calls have the same number on all machines."""
