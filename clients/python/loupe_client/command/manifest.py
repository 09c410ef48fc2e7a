"""Records what was done to which file, in a file beside the results.

It holds the idempotency key of each upload before the upload begins. So a run that was killed at any moment
goes on without charging anything twice.
"""

import contextlib
import json
import os
import sqlite3
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loupe_client.errors import InvalidInput

NAME = ".loupe-manifest"
KEY_SECONDS = 23 * 3600
"""The server forgets a key after 24 hours. An older one is not used again."""
TABLES = """
CREATE TABLE IF NOT EXISTS files (
    source BLOB NOT NULL, options TEXT NOT NULL, size INTEGER, changed INTEGER, digest TEXT, server TEXT,
    key TEXT, key_made_at REAL, image_id INTEGER, state TEXT NOT NULL, output BLOB, output_size INTEGER,
    message TEXT, PRIMARY KEY (source, options)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_output ON files (output);
CREATE TABLE IF NOT EXISTS last_run (id INTEGER PRIMARY KEY CHECK (id = 1), arguments TEXT NOT NULL);
"""
COLUMNS = "size, changed, digest, server, key, key_made_at, image_id, state, output, output_size, message"


@dataclass(frozen=True)
class Entry:
    """The record of one file with one set of options."""

    size: int
    changed: int
    """The time of the file's last change in nanoseconds."""
    digest: str
    server: str
    key: str
    key_made_at: float
    image_id: int | None
    state: str
    """`begun`, `done`, or `refused` for a file that the server will never take."""
    output: bytes | None
    output_size: int | None
    message: str | None


class Manifest:
    """The manifest of one folder of results."""

    def __init__(self, folder: Path) -> None:
        """Open or create the manifest. Raise `InvalidInput` if that is not possible."""
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(folder / NAME, timeout=30, isolation_level=None)
            with contextlib.suppress(sqlite3.OperationalError):  # some network drives cannot do it
                self._database.execute("PRAGMA journal_mode = WAL")
            self._database.executescript(TABLES)
        except (OSError, sqlite3.Error) as error:
            raise InvalidInput(f"The results cannot be written to {folder}: {self._reason(error)}") from error

    def close(self) -> None:
        self._database.close()

    def _reason(self, error: Exception) -> object:
        is_closed = self.folder.is_dir() and not os.access(self.folder, os.W_OK | os.X_OK)
        return "Permission denied" if is_closed else getattr(error, "strerror", None) or error

    def _execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run a statement. Raise `InvalidInput` if the disk is full or the file is damaged."""
        try:
            return self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise InvalidInput(
                f"The results cannot be written to {self.folder}: {self._reason(error)}"
            ) from error

    def find(self, source: str, options: str) -> Entry | None:
        """Return what is known of a file with these options."""
        row = self._execute(
            f"SELECT {COLUMNS} FROM files WHERE source = ? AND options = ?",  # noqa: S608  no text of a user
            (self.relative(source), options),
        ).fetchone()
        return Entry(*row) if row else None

    def begin(self, source: str, options: str, found: "Fingerprint", server: str, output: Path) -> Entry:
        """Note that a file is about to be sent, and return the entry with its idempotency key.

        A key that was made for the same content, options and server is used again while the server knows it.
        The entry is on the disk before this returns. What is noted later may be lost if the power fails.
        """
        old = self.find(source, options)
        is_same = old and (old.digest, old.server) == (found.digest, server) and old.state == "begun"
        is_fresh = old and time.time() - old.key_made_at < KEY_SECONDS
        key, made_at, image_id = uuid.uuid4().hex, time.time(), None
        if old and is_same:
            image_id = old.image_id
            if is_fresh:
                key, made_at = old.key, old.key_made_at
        self._execute("PRAGMA synchronous = FULL")
        self._execute(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'begun', ?, NULL, NULL)",
            (
                *(self.relative(source), options, found.size, found.changed, found.digest, server),
                *(key, made_at, image_id, self.relative(str(output))),
            ),
        )
        self._execute("PRAGMA synchronous = NORMAL")
        entry = self.find(source, options)
        assert entry  # noqa: S101  it was just written
        return entry

    def note(self, source: str, options: str, **values: Any) -> None:
        """Change columns of an entry."""
        assignments = ", ".join(f"{name} = ?" for name in values)
        self._execute(
            f"UPDATE files SET {assignments} WHERE source = ? AND options = ?",  # noqa: S608  our own names
            (*values.values(), self.relative(source), options),
        )

    def finish(self, source: str, options: str, output: Path) -> None:
        """Note that the result of a file is at its place. What was there before is no result any more."""
        size, place = output.stat().st_size, self.relative(str(output))
        self._execute(
            "DELETE FROM files WHERE output = ? AND (source, options) != (?, ?)",
            (place, self.relative(source), options),
        )
        self.note(source, options, state="done", output=place, output_size=size)

    def forget(self, source: str, options: str) -> None:
        """Drop an entry, so that the next run sends the file anew."""
        where = (self.relative(source), options)
        self._execute("DELETE FROM files WHERE source = ? AND options = ?", where)

    def owner_of(self, output: Path) -> bytes | None:
        """Return the source whose result is, or will be, at this path."""
        row = self._execute(
            "SELECT source FROM files WHERE output = ? AND state != 'refused'", (self.relative(str(output)),)
        ).fetchone()
        return row[0] if row else None

    def is_result(self, path: str) -> bool:
        """Return whether this file is the result of an earlier run."""
        row = self._execute(
            "SELECT 1 FROM files WHERE output = ? AND state = 'done'", (self.relative(path),)
        ).fetchone()
        return row is not None

    def is_of(self, output: Path, source: str) -> bool:
        """Return whether the path may be written for this source: nobody else's result is there."""
        owner = self.owner_of(output)
        return owner == self.relative(source) or (owner is None and not output.exists())

    def path_of(self, entry: Entry) -> Path | None:
        """Return where the result of an entry is."""
        return Path(os.path.normpath(self.folder / os.fsdecode(entry.output))) if entry.output else None

    def remember_run(self, arguments: Mapping[str, Any]) -> None:
        """Store the arguments of this run for `--resume`."""
        text = json.dumps(arguments)
        self._execute("INSERT OR REPLACE INTO last_run VALUES (1, ?)", (text,))

    def last_run(self) -> dict[str, Any] | None:
        """Return the arguments of the last run."""
        row = self._execute("SELECT arguments FROM last_run").fetchone()
        return json.loads(row[0]) if row else None

    def relative(self, place: str) -> bytes:
        """Return a path relative to the folder, so that both can be moved together. A link stays as it is."""
        if place.startswith(("http://", "https://")):
            return place.encode()
        return os.fsencode(os.path.relpath(place, self.folder))


@dataclass(frozen=True)
class Fingerprint:
    """The marks that tell one content of a file from another."""

    size: int
    changed: int
    digest: str
