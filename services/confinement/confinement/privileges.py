"""Gives up what a process could use against others, or others against it."""

import ctypes
import errno
import os
import signal
import struct

from confinement.kernel import LIBC, prctl, unshare

SET_PARENT_DEATH_SIGNAL, SET_DUMPABLE, DROP_FROM_BOUNDS, SET_NO_NEW_PRIVILEGES = 1, 4, 24, 38
AMBIENT, CLEAR_ALL = 47, 4
CAPABILITIES_VERSION_3 = 0x20080522
MOST_CAPABILITIES = 64
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000


def forbid_new_privileges() -> None:
    """Make programs that are started later keep the rights of this process, even if a file grants more."""
    prctl(SET_NO_NEW_PRIVILEGES, 1)


def forbid_inspection() -> None:
    """Let no process of the same user trace this one, or read its memory or environment. It dumps no core."""
    prctl(SET_DUMPABLE, 0)


def drop_capabilities() -> None:
    """Give up all capabilities, for good."""
    for number in range(MOST_CAPABILITIES):
        try:
            prctl(DROP_FROM_BOUNDS, number)
        except OSError as error:
            if error.errno == errno.EINVAL:  # the kernel knows no more
                break
            if error.errno != errno.EPERM:  # EPERM: without privileges, no capability can be gained anyway
                raise
    prctl(AMBIENT, CLEAR_ALL)
    header = struct.pack("Ii", CAPABILITIES_VERSION_3, 0)
    none = bytes(24)
    if LIBC.capset(header, none):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def leave_network() -> None:
    """Move to a new network that has nothing, not even a loopback address that is up.

    Without privileges, this needs a new namespace of users, which many containers forbid.
    """
    try:
        unshare(NEW_NETWORK)
    except PermissionError:
        unshare(NEW_USER | NEW_NETWORK)


def end_with_parent() -> None:
    """End this process when the thread that started it ends, even if it does not read its input."""
    prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
