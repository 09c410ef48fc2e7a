"""A folder of engines that many builders share, also pods on other machines.

An engine is valid if its description lies beside it, which is written last, and if it has the SHA-256 in that
description. A builder holds the engine's lock, and so does the trtexec that it started. So nothing is built
twice at the same time, and the next builder removes what a killed one left behind.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serving.errors import Stopped

Facts = dict[str, Any]
BLOCK = 1 << 20


def key_of(facts: Facts) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise Stopped(f"{folder}: {'the disk is full' if full else error.strerror or error}") from error


def sync_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, text: str) -> None:
    """Replace a file atomically: it has its old content or this one, even after a crash."""
    new = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    new.write_text(text)
    sync_to_disk(new)
    new.replace(path)


def copy_whole(source: Path, target: Path) -> None:
    new = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    with source.open("rb") as given, new.open("wb") as taken:
        while block := given.read(BLOCK):
            taken.write(block)
    sync_to_disk(new)
    new.replace(target)


class Cache:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def engine(self, key: str) -> Path:
        return self.folder / f"{key}.plan"

    def description(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    @contextlib.contextmanager
    def locked(self, key: str, waiting: str) -> Iterator[int]:
        """Hold an engine's lock and yield its descriptor. Prints `waiting` while another builder holds it."""
        with disk_errors(self.folder), (self.folder / f"{key}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print(waiting, flush=True)
                fcntl.flock(file, fcntl.LOCK_EX)
            for left in self.folder.glob(f"{key}.*.tmp"):
                left.unlink()
            yield file.fileno()

    def described(self, key: str) -> Facts | None:
        try:
            facts: Facts = json.loads(self.description(key).read_text())
            return facts if isinstance(facts["built_from"], dict) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def find(self, key: str) -> Facts | None:
        """Return the description of an engine that is intact, or of one that is too large for the GPU, or
        None.
        """
        facts = self.described(key)
        if facts is None or facts.get("too_large"):
            return facts
        try:
            return facts if facts.get("sha256") == sha256_of(self.engine(key)) else None
        except OSError:
            return None

    def draft(self, key: str) -> Path:
        """Return where an engine is written until it is complete."""
        return self.folder / f"{key}.{os.getpid()}.tmp"

    def put(self, key: str, built: Path, facts: Facts) -> Facts:
        """Add an engine. The caller holds its lock."""
        described = {"sha256": sha256_of(built), "bytes": built.stat().st_size, "built_from": facts}
        self.description(key).unlink(missing_ok=True)
        sync_to_disk(built)
        built.replace(self.engine(key))
        write_whole(self.description(key), json.dumps(described, indent=2) + "\n")
        return described

    def put_too_large(self, key: str, facts: Facts) -> Facts:
        described: Facts = {"too_large": True, "built_from": facts}
        write_whole(self.description(key), json.dumps(described, indent=2) + "\n")
        return described

    def forget(self, key: str) -> None:
        self.description(key).unlink(missing_ok=True)
        self.engine(key).unlink(missing_ok=True)

    def prune(self, used: set[str], of: Facts) -> int:
        """Remove the engines of this kind of GPU that are not `used`. Return how many were removed."""
        gone = 0
        for path in self.folder.glob("*.json"):
            facts = self.described(path.stem)
            if path.stem in used or facts is None:
                continue
            if all(facts["built_from"].get(name) == value for name, value in of.items()):
                with self.locked(path.stem, f"waits for the builder of {path.stem}"):
                    self.forget(path.stem)
                gone += 1
        return gone
