"""The folder of results. Each has the name of its photo, and no photo replaces the result of another one."""

import fcntl
import hashlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from images.uploads import file_names
from loupe_local.demo.errors import DemoFailed
from loupe_local.state import REPOSITORY, read, write

FOLDER = REPOSITORY / ".loupe" / "demo"
FACTS = ".facts"
"""The hidden folder in it for what is no result."""
SOURCES = "sources.json"
"""The file that holds which photo each result was made from: the SHA-256 of its content, by the stem."""
LONGEST_STEM_BYTES = 180
"""A file name has at most 255 bytes. This leaves room for number, scale, `-before-after` and extension."""


@dataclass(frozen=True, slots=True)
class Places:
    """The names for the files of one result, without their extensions."""

    folder: Path
    stem: str

    def result(self, extension: str) -> Path:
        return self.folder / f"{self.stem}{extension}"

    @property
    def comparison(self) -> Path:
        return self.folder / f"{self.stem}-before-after.png"


def reserve(name: str, photo: bytes, scale: int, folder: Path) -> Places:
    """Return `holiday@4x` for `holiday.jpg`, or `holiday-2@4x` if another photo's result has that name.

    The same photo gets the same name again.
    """
    digest, stem = hashlib.sha256(photo).hexdigest(), _stem(name)
    facts = folder / FACTS
    with writing(facts), _locked(facts):
        sources = read(facts / SOURCES)
        for number in count(1):
            places = Places(folder, f"{stem}{f'-{number}' if number > 1 else ''}@{scale}x")
            if sources.get(places.stem) == digest or _is_free(places, sources):
                write(facts / SOURCES, sources | {places.stem: digest})
                return places
    raise AssertionError("there is always another number")


@contextmanager
def writing(folder: Path) -> Generator[None]:
    """Report a full disk, or a folder without permission, as a sentence."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DemoFailed(f"The result cannot be written to {folder}: {error.strerror}.") from error


def _is_free(places: Places, sources: dict[str, str]) -> bool:
    """Return whether no result has this name, and no file that somebody else put there."""
    if places.stem in sources:
        return False
    return not any(path.name.startswith(f"{places.stem}.") for path in places.folder.iterdir())


def _stem(name: str) -> str:
    stem = Path(file_names.clean(name)).stem.lstrip(".").strip() or "photo"
    return stem.encode(errors="replace")[:LONGEST_STEM_BYTES].decode(errors="ignore")


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
