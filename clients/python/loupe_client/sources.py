"""Reads a picture from a path, bytes or an open file, or takes a link that the server fetches."""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Union

from loupe_client.errors import InvalidInput

Source = Union[str, "os.PathLike[str]", bytes, BinaryIO]
"""A path, a link that begins with `http://` or `https://`, bytes, or a file that is open for bytes."""


@dataclass(frozen=True)
class Upload:
    """A picture that can be sent more than once."""

    name: str
    open: Callable[[], BinaryIO]
    """Return the bytes from their start. The caller closes what it gets."""


def sendable(name: str) -> str:
    """Return a file's name as text that can be sent: bytes that are no UTF-8 become question marks."""
    return name.encode("utf-8", "replace").decode()


def is_link(source: Source) -> bool:
    """Return whether the server shall fetch the picture itself."""
    return isinstance(source, str) and source.startswith(("http://", "https://"))


def upload_of(source: Source, name: str | None = None) -> Upload:
    """Return the picture of a source. Raise `InvalidInput` if there is no such file.

    An open file is read to its end here if it cannot be read twice.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if not path.is_file():
            raise InvalidInput(f"There is no file {path}." if not path.exists() else f"{path} is no file.")
        return Upload(sendable(name or path.name), lambda: path.open("rb"))
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        return Upload(name or "image", lambda: io.BytesIO(data))
    own = getattr(source, "name", None)
    content = source.read()
    if not isinstance(content, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]  callers err
        raise InvalidInput("The file is open for text. Open it with mode 'rb'.")
    return Upload(name or (Path(own).name if isinstance(own, str) else "image"), lambda: io.BytesIO(content))
