"""Find the photo that a person named, and print paths as they can type them."""

import difflib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from loupe_local.demo.errors import DemoFailed
from loupe_local.state import REPOSITORY

PHOTO = REPOSITORY / "docs" / "photos" / "chelsea.png"
"""The photo that is upscaled if none is named."""

SPECIAL = re.compile(r"""[\s'"\\$`!*?\[\](){}<>|;&#~]""")
"""Characters that a shell does not take as they are."""


def caller_folder() -> Path:
    """Return the folder in which the person is. `make -C` runs in another one, and passes this one on."""
    folder = Path(os.environ.get("CALLER_FOLDER") or ".")
    return folder if folder.is_absolute() and folder.is_dir() else Path.cwd()


def locate(text: str | None) -> Path:
    """Return the path of the file or folder that `text` names, the photo of the demo if it is None."""
    if text is None:
        return PHOTO
    if not text.strip():
        raise DemoFailed("PHOTO is empty. Name a picture, or a folder of pictures: PHOTO=holiday.jpg")
    at_home = Path(os.path.expanduser(text))  # noqa: PTH111  a shell leaves a quoted ~ as it is
    candidates = [caller_folder() / text, REPOSITORY / text, at_home]
    for path in candidates:
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise DemoFailed(f"{quoted(text)} cannot be read: {error.strerror}.") from error
        return path
    expected = caller_folder() / at_home
    similar = _similar_name(expected)
    where = "" if similar or Path(text).is_absolute() else f" I looked in {quoted(str(expected.parent))}."
    raise DemoFailed(f"There is no file {quoted(text)}.{similar}{where}")


def pictures_in(path: Path) -> list[Path]:
    """Return the file, or the files of a folder in the order of their names, hidden ones left out."""
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        return [path]
    if not stat.S_ISDIR(mode):
        raise DemoFailed(f"{shown(path)} is neither a file nor a folder.")
    try:
        files = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
    except OSError as error:
        raise DemoFailed(f"{shown(path)} cannot be read: {error.strerror}.") from error
    if not files:
        raise DemoFailed(f"There is no picture in the folder {shown(path)}. Folders in it are not searched.")
    return files


def shown(path: Path) -> str:
    """Return the path from the caller's folder, quoted for a shell if that is necessary."""
    folder, absolute = caller_folder().resolve(), path.parent.resolve() / path.name
    return quoted(str(absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute))


def quoted(text: str) -> str:
    """Return the text as a shell reads it back, but without quotes where none are necessary."""
    safe = printable(text)
    if not SPECIAL.search(safe):
        return safe
    if "'" not in safe:
        return f"'{safe}'"
    return '"' + re.sub(r'([\\"$`])', r"\\\1", safe) + '"'


def printable(text: str) -> str:
    """Replace characters that could control the terminal, and bytes that are no text."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _similar_name(path: Path) -> str:
    def names() -> Iterator[str]:
        try:
            yield from os.listdir(path.parent)  # noqa: PTH208
        except OSError:
            return

    similar = difflib.get_close_matches(path.name, names(), n=1, cutoff=0.75)
    return f" Did you mean {shown(path.with_name(similar[0]))}?" if similar else ""
