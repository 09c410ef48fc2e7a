"""A file system that forgets unsynced writes when its power is cut: `python layer.py FOLDER MOUNT_POINT`.

It shows FOLDER at MOUNT_POINT by FUSE, and prints `mounted`. A line on its standard input cuts the power:
writes without an fsync are taken back, and from then on each operation fails. It ends when its standard input
is closed.
"""

import contextlib
import ctypes
import errno
import os
import resource
import select
import stat
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from tests.powerloss import wire
from tests.powerloss.unsynced import Unsynced
from tests.powerloss.wire import Operation

ROOT = 1
MNT_DETACH = 2
LIBC = ctypes.CDLL(None, use_errno=True)


class Layer:
    """The operations. A node is a file that the kernel knows, by a descriptor that needs no rights."""

    def __init__(self, folder: str) -> None:
        self._nodes = {ROOT: os.open(folder, os.O_PATH | os.O_DIRECTORY)}
        found = os.fstat(self._nodes[ROOT])
        self._numbers = {(found.st_dev, found.st_ino): ROOT}
        self._lookups = {ROOT: 1 << 60}
        self._next = ROOT + 1
        self._listings: dict[int, list[tuple[str, int, int]]] = {}
        self.unsynced = Unsynced()
        self._operations: dict[int, Callable[[int, bytes, tuple[int, int]], bytes]] = {
            number: getattr(self, number.name.lower()) for number in Operation if number.name != "INTERRUPT"
        }

    def answer(self, operation: int, node: int, body: bytes, owner: tuple[int, int]) -> tuple[int, bytes]:
        """Return the error number, or 0, and the content of the answer."""
        if operation not in self._operations:
            return errno.ENOSYS, b""
        try:
            return 0, self._operations[operation](node, body, owner)
        except OSError as error:
            return error.errno or errno.EIO, b""

    def init(self, _node: int, _body: bytes, _owner: tuple[int, int]) -> bytes:
        return wire.pack_init()

    def destroy(self, _node: int, _body: bytes, _owner: tuple[int, int]) -> bytes:
        return b""

    def lookup(self, node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        return self._entry(node, wire.names(body)[0])

    def forget(self, node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        self._forget(node, struct.unpack_from("<Q", body)[0])
        return b""

    def batch_forget(self, _node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        for node, lookups in struct.iter_unpack("<QQ", body[8:]):
            self._forget(node, lookups)
        return b""

    def getattr(self, node: int, _body: bytes, _owner: tuple[int, int]) -> bytes:
        return wire.pack_attr(os.fstat(self._nodes[node]))

    def setattr(self, node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        valid, _, _, size, _, atime, mtime, _, atime_ns, mtime_ns, _, mode, _, uid, gid, _ = (
            wire.SETATTR.unpack_from(body)
        )
        path = self._path(node)
        if valid & wire.SIZE:
            descriptor = os.open(path, os.O_RDWR)
            with contextlib.closing(os.fdopen(descriptor, "rb+", buffering=0)):
                self.unsynced.before_truncate(descriptor, size)
                os.ftruncate(descriptor, size)
        if valid & (wire.OWNER | wire.GROUP):
            os.chown(path, uid if valid & wire.OWNER else -1, gid if valid & wire.GROUP else -1)
        if valid & wire.MODE:
            Path(path).chmod(stat.S_IMODE(mode))
        if valid & (wire.ATIME | wire.MTIME):
            now = os.fstat(self._nodes[node])
            accessed = atime * 10**9 + atime_ns if valid & wire.ATIME else now.st_atime_ns
            modified = mtime * 10**9 + mtime_ns if valid & wire.MTIME else now.st_mtime_ns
            os.utime(path, ns=(accessed, modified))
        return wire.pack_attr(os.fstat(self._nodes[node]))

    def readlink(self, node: int, _body: bytes, _owner: tuple[int, int]) -> bytes:
        return os.fsencode(os.readlink("", dir_fd=self._nodes[node]))

    def symlink(self, node: int, body: bytes, owner: tuple[int, int]) -> bytes:
        name, target = wire.names(body)
        os.symlink(target, name, dir_fd=self._nodes[node])
        return self._created(node, name, owner)

    def mknod(self, node: int, body: bytes, owner: tuple[int, int]) -> bytes:
        mode, device, _, _ = struct.unpack_from("<IIII", body)
        name = wire.names(body[16:])[0]
        os.mknod(name, mode, device, dir_fd=self._nodes[node])
        return self._created(node, name, owner)

    def mkdir(self, node: int, body: bytes, owner: tuple[int, int]) -> bytes:
        mode, _ = struct.unpack_from("<II", body)
        name = wire.names(body[8:])[0]
        os.mkdir(name, mode, dir_fd=self._nodes[node])
        return self._created(node, name, owner)

    def unlink(self, node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        os.unlink(wire.names(body)[0], dir_fd=self._nodes[node])
        return b""

    def rmdir(self, node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        os.rmdir(wire.names(body)[0], dir_fd=self._nodes[node])
        return b""

    def rename(self, node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        return self._rename(node, struct.unpack_from("<Q", body)[0], body[8:])

    def rename2(self, node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        folder, flags, _ = struct.unpack_from("<QII", body)
        if flags:
            raise OSError(errno.EINVAL, "flags of rename")
        return self._rename(node, folder, body[16:])

    def link(self, node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        source, name = self._nodes[struct.unpack_from("<Q", body)[0]], wire.names(body[8:])[0]
        os.link(f"/proc/self/fd/{source}", name, dst_dir_fd=self._nodes[node], follow_symlinks=True)
        return self._entry(node, name)

    def open(self, node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        flags = struct.unpack_from("<I", body)[0]
        return wire.pack_open(os.open(self._path(node), flags & os.O_ACCMODE))

    def create(self, node: int, body: bytes, owner: tuple[int, int]) -> bytes:
        flags, mode, _, _ = struct.unpack_from("<IIII", body)
        name = wire.names(body[16:])[0]
        handle = os.open(
            name, flags & (os.O_ACCMODE | os.O_EXCL) | os.O_CREAT, mode, dir_fd=self._nodes[node]
        )
        return self._created(node, name, owner) + wire.pack_open(handle)

    def read(self, _node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", body)
        return os.pread(handle, size, offset)

    def write(self, _node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        handle, offset, size = struct.unpack_from("<QQI", body)
        self.unsynced.before_write(handle, offset, size)
        return struct.pack("<II", os.pwrite(handle, body[40 : 40 + size], offset), 0)

    def statfs(self, _node: int, _body: bytes, _owner: tuple[int, int]) -> bytes:
        return wire.pack_statfs(os.fstatvfs(self._nodes[ROOT]))

    def release(self, _node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        os.close(struct.unpack_from("<Q", body)[0])
        return b""

    def flush(self, _node: int, _body: bytes, _owner: tuple[int, int]) -> bytes:
        return b""

    def fsync(self, _node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        self.unsynced.synced(struct.unpack_from("<Q", body)[0])
        return b""

    def opendir(self, node: int, _body: bytes, _owner: tuple[int, int]) -> bytes:
        handle = os.open(self._path(node), os.O_RDONLY | os.O_DIRECTORY)
        with os.scandir(handle) as found:
            entries = [
                (each.name, each.inode(), stat.S_IFMT(each.stat(follow_symlinks=False).st_mode) >> 12)
                for each in found
            ]
        self._listings[handle] = [(".", 1, 4), ("..", 1, 4), *entries]
        return wire.pack_open(handle)

    def readdir(self, _node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        handle, start, size = struct.unpack_from("<QQI", body)
        return wire.pack_directory(self._listings[handle], start, size)

    def releasedir(self, _node: int, body: bytes, _owner: tuple[int, int]) -> bytes:
        handle = struct.unpack_from("<Q", body)[0]
        del self._listings[handle]
        os.close(handle)
        return b""

    def fsyncdir(self, _node: int, _body: bytes, _owner: tuple[int, int]) -> bytes:
        return b""

    def _path(self, node: int) -> str:
        return f"/proc/self/fd/{self._nodes[node]}"

    def _rename(self, node: int, folder: int, body: bytes) -> bytes:
        old, new = wire.names(body)
        os.rename(old, new, src_dir_fd=self._nodes[node], dst_dir_fd=self._nodes[folder])
        return b""

    def _created(self, node: int, name: str, owner: tuple[int, int]) -> bytes:
        os.chown(name, *owner, dir_fd=self._nodes[node], follow_symlinks=False)
        return self._entry(node, name)

    def _entry(self, folder: int, name: str) -> bytes:
        """Return the file of this name, and remember that the kernel knows it."""
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=self._nodes[folder])
        found = os.fstat(descriptor)
        key = (found.st_dev, found.st_ino)
        if key in self._numbers:
            os.close(descriptor)
        else:
            self._numbers[key], self._nodes[self._next] = self._next, descriptor
            self._next += 1
        number = self._numbers[key]
        self._lookups[number] = self._lookups.get(number, 0) + 1
        return wire.pack_entry(number, found)

    def _forget(self, node: int, lookups: int) -> None:
        self._lookups[node] -= lookups
        if not self._lookups[node]:
            found = os.fstat(self._nodes[node])
            del self._numbers[found.st_dev, found.st_ino], self._lookups[node]
            os.close(self._nodes.pop(node))


def mount(place: str) -> int:
    """Mount the file system, and return the descriptor by which the kernel sends requests."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions"
    if LIBC.mount(b"powerloss", place.encode(), b"fuse", 0, options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"FUSE cannot be mounted: {os.strerror(number)}")
    return device


def serve(layer: Layer, device: int) -> None:
    """Answer requests until standard input is closed. A line on it cuts the power."""
    is_cut = False
    while True:
        readable, _, _ = select.select([device, 0], [], [])
        if 0 in readable:
            if not os.read(0, 100):
                return
            files, writes = layer.unsynced.take_back()
            is_cut = True
            print(f"cut: {writes} writes to {files} files", flush=True)
        if device in readable:
            request = os.read(device, wire.BUFFER)
            length, operation, unique, node, uid, gid, *_ = wire.REQUEST.unpack_from(request)
            body = request[wire.REQUEST.size : length]
            problem, content = (errno.EIO, b"") if is_cut else layer.answer(operation, node, body, (uid, gid))
            if operation not in wire.WITHOUT_ANSWER:
                head = wire.ANSWER.pack(wire.ANSWER.size + len(content), -problem, unique)
                with contextlib.suppress(FileNotFoundError):  # the request was interrupted
                    os.write(device, head + content)


def main(folder: str, place: str) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    os.umask(0)
    device = mount(place)
    print("mounted", flush=True)
    try:
        serve(Layer(folder), device)
    finally:
        LIBC.umount2(place.encode(), MNT_DETACH)


if __name__ == "__main__":
    main(*sys.argv[1:])
