"""The pictures of a GIF as they are seen (GIF89a, 20 to 23), in the decoding child.

Pillow reads each of them; put together they are here. Left to itself it fills with a colour what nothing was
drawn on, and disposes of pictures that do not ask for it as of the last that did.
"""

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

PICTURE, EXTENSION, CONTROL = 0x2C, 0x21, 0xF9
CLEAR, RESTORE = 2, 3
TABLE = 0x80
"""The flag that says that colours follow."""
USUAL_MILLISECONDS = 100


@dataclass(frozen=True, slots=True)
class Part:
    """One picture of the file, and what is to become of it."""

    place: tuple[int, int]
    size: tuple[int, int]
    file: bytes
    """A GIF of it alone."""
    disposal: int
    milliseconds: int


def seen(parts: list[Part], size: tuple[int, int]) -> Iterator[Image.Image]:
    """On a canvas that is nothing at first, each RGBA; what reaches beyond it is cut off."""
    canvas = Image.new("RGBA", size)
    for part in parts:
        before = canvas.copy() if part.disposal == RESTORE else canvas
        if min(part.size) > 0:
            picture = alone(part).convert("RGBA")
            canvas.paste(picture, part.place, picture)
        yield canvas.copy()
        canvas = before
        if part.disposal == CLEAR:
            canvas.paste(Image.new("RGBA", part.size), part.place)


def on_canvas(opened: Image.Image, data: bytes) -> Image.Image:
    """A still picture; RGBA where it does not cover its canvas."""
    part = parts_of(data, 1)[0]
    if part.place == (0, 0) and part.size == opened.size:
        return alone(part)
    return next(seen([part], opened.size))


def alone(part: Part) -> Image.Image:
    """One picture in its own colours: beside a table for all, Pillow takes grey for numbers in that one."""
    opened = Image.open(io.BytesIO(part.file), formats=["GIF"])
    opened.load()
    return opened


def parts_of(data: bytes, most: int) -> list[Part]:
    """Up to what is unknown, and no more than `most`."""
    head = data[: 13 + _colours(data[10])]
    control, parts = b"", list[Part]()
    for block in blocks(data, len(head)):
        if block[0] == PICTURE:
            parts.append(_part(head, control, block))
            control = b""
        elif block[1] == CONTROL:
            control = block
        if len(parts) == most:
            break
    return parts


def blocks(data: bytes, position: int) -> Iterator[bytes]:
    """Pictures and extensions; a picture that is cut off is an error."""
    while position + 10 < len(data) and data[position] in (PICTURE, EXTENSION):
        is_picture = data[position] == PICTURE
        end = _after_sub_blocks(data, position + (11 + _colours(data[position + 9]) if is_picture else 2))
        if end is None:
            if is_picture:
                raise ValueError("a picture is cut off")
            return
        yield data[position:end]
        position = end


def _part(head: bytes, control: bytes, picture: bytes) -> Part:
    left, top, width, height = struct.unpack_from("<4H", picture, 1)
    has_own_table = picture[9] & TABLE
    described = bytes([head[10] & ~TABLE]) + head[11:13] if has_own_table else head[10:]
    before = head[:6] + struct.pack("<2H", width, height) + described + control
    flags, hundredths = struct.unpack_from("<BH", control, 3) if len(control) >= 8 else (0, None)
    return Part(
        place=(left, top),
        size=(width, height),
        file=before + picture[:1] + bytes(4) + picture[5:] + b";",
        disposal=flags >> 2 & 7,
        milliseconds=USUAL_MILLISECONDS if hundredths is None else 10 * hundredths,
    )


def _colours(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << (flags & 7) + 1 if flags & TABLE else 0


def _after_sub_blocks(data: bytes, position: int) -> int | None:
    while position < len(data):
        if data[position] == 0:
            return position + 1
        position += data[position] + 1
    return None
