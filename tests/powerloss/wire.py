"""The messages of FUSE, version 7.31: the operations that the layer knows, and how answers are packed."""

import os
import struct
from enum import IntEnum

REQUEST = struct.Struct("<IIQQIIIHH")
ANSWER = struct.Struct("<IiQ")
ATTRIBUTES = struct.Struct("<6Q10I")
VERSION = (7, 31)
LARGEST_WRITE = 128 << 10
BUFFER = LARGEST_WRITE + (64 << 10)
CACHE_SECONDS = 60
"""The time for which the kernel may trust names and sizes. All changes pass through it."""


class Operation(IntEnum):
    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    CREATE = 35
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42
    RENAME2 = 45


WITHOUT_ANSWER = (Operation.FORGET, Operation.BATCH_FORGET, Operation.INTERRUPT)
MODE, OWNER, GROUP, SIZE, ATIME, MTIME = 1, 2, 4, 8, 16, 32
"""Bits of SETATTR that say which fields are set."""
SETATTR = struct.Struct("<IIQQQQQQIIIIIIII")


def pack_init() -> bytes:
    flags = 1 << 5  # writes larger than a page
    head = struct.pack("<IIIIHHIIHHI", *VERSION, 0, flags, 16, 12, LARGEST_WRITE, 1, 0, 0, 0)
    return head.ljust(64, b"\0")


def pack_attributes(found: os.stat_result) -> bytes:
    times = (found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns)
    return ATTRIBUTES.pack(
        found.st_ino,
        found.st_size,
        found.st_blocks,
        *(each // 10**9 for each in times),
        *(each % 10**9 for each in times),
        found.st_mode,
        found.st_nlink,
        found.st_uid,
        found.st_gid,
        0,
        4096,
        0,
    )


def pack_entry(node: int, found: os.stat_result) -> bytes:
    return struct.pack("<4QII", node, 0, CACHE_SECONDS, CACHE_SECONDS, 0, 0) + pack_attributes(found)


def pack_attr(found: os.stat_result) -> bytes:
    return struct.pack("<QII", CACHE_SECONDS, 0, 0) + pack_attributes(found)


def pack_open(handle: int) -> bytes:
    return struct.pack("<QII", handle, 0, 0)


def pack_statfs(found: os.statvfs_result) -> bytes:
    counts = (found.f_blocks, found.f_bfree, found.f_bavail, found.f_files, found.f_ffree)
    return struct.pack("<5Q4I24x", *counts, found.f_bsize, found.f_namemax, found.f_frsize, 0)


def pack_directory(entries: list[tuple[str, int, int]], start: int, size: int) -> bytes:
    """Pack as many entries (name, inode, type) from number `start` on as `size` bytes can hold."""
    packed = b""
    for number, (name, inode, kind) in enumerate(entries[start:], start + 1):
        encoded = os.fsencode(name)
        entry = struct.pack("<QQII", inode, number, len(encoded), kind) + encoded
        entry += b"\0" * (-len(entry) % 8)
        if len(packed) + len(entry) > size:
            break
        packed += entry
    return packed


def names(body: bytes) -> list[str]:
    """Return the file names that a message ends with, each with a null byte."""
    return [os.fsdecode(name) for name in body.split(b"\0")[:-1]]
