"""Denies this process all files, TCP, abstract Unix sockets and signals to others (Landlock, Linux 5.13).

Each version of the kernel's interface can deny more than the one before.
"""

import ctypes
import os
import struct
from typing import NamedTuple

from confinement.kernel import system_call
from confinement.system_calls import LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF

ASK_VERSION = 1


class Denied(NamedTuple):
    """Bits of what is denied, in the kernel's order."""

    files: int
    network: int = 0
    others: int = 0


FILES, RENAME, TRUNCATE, DEVICES = (1 << 13) - 1, 1 << 13, 1 << 14, 1 << 15
TCP_BIND_AND_CONNECT = 3
ABSTRACT_SOCKETS_AND_SIGNALS = 3
BY_VERSION = (
    Denied(FILES),
    Denied(FILES | RENAME),
    Denied(FILES | RENAME | TRUNCATE),
    Denied(FILES | RENAME | TRUNCATE, TCP_BIND_AND_CONNECT),
    Denied(FILES | RENAME | TRUNCATE | DEVICES, TCP_BIND_AND_CONNECT),
    Denied(FILES | RENAME | TRUNCATE | DEVICES, TCP_BIND_AND_CONNECT, ABSTRACT_SOCKETS_AND_SIGNALS),
)


def version() -> int:
    """Return the version of the kernel's interface. Raise `OSError` if it has none."""
    return system_call(LANDLOCK_CREATE_RULESET, None, 0, ASK_VERSION)


def deny_everything() -> Denied:
    """Deny all that this kernel can deny, and return it. No new privileges must be set before.

    What is open already stays usable. Raise `OSError` if the kernel does not support it.
    """
    known = min(version(), len(BY_VERSION))
    denied = BY_VERSION[known - 1]
    fields = [field for field in denied if field]
    attributes = struct.pack(f"{len(fields)}Q", *fields)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    rules = system_call(LANDLOCK_CREATE_RULESET, buffer, len(attributes), 0)
    try:
        system_call(LANDLOCK_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)
    return denied
