"""What a file tells of itself (EXIF, CIPA DC-008), in the decoding child: what may go along into a result.

The rest would be wrong there: its orientation is applied, its sizes have changed, its thumbnail is another
picture.
"""

import struct

from PIL import Image

EXIF, GPS = 0x8769, 0x8825
DESCRIPTIVE = (
    0x010E,  # ImageDescription
    0x010F,  # Make
    0x0110,  # Model
    0x0131,  # Software
    0x0132,  # DateTime
    0x013B,  # Artist
    0x013C,  # HostComputer
    0x8298,  # Copyright
)
OUTDATED = (0xA002, 0xA003, 0xA005)
"""In the Exif directory: width, height, and where the interoperability directory was."""
MAKER_NOTE = 0x927C
BYTE, UNDEFINED = 1, 7
LARGEST = 65_000
"""A JPEG segment holds no more."""


def kept(exif: Image.Exif) -> bytes:
    """A TIFF structure; empty where there is nothing to tell, or too much of it."""
    result = Image.Exif()
    for tag in DESCRIPTIVE:
        if tag in exif:
            result[tag] = as_written(exif[tag])
    for directory in (EXIF, GPS):
        values = {tag: as_written(value) for tag, value in exif.get_ifd(directory).items()}
        result.get_ifd(directory).update(values)
    for tag in OUTDATED:
        result.get_ifd(EXIF).pop(tag, None)
    written = written_bytes(result)
    if len(written) > LARGEST:  # it is the maker's own business, and the only thing that grows
        result.get_ifd(EXIF).pop(MAKER_NOTE, None)
        written = written_bytes(result)
    return written if len(written) <= LARGEST else b""


def kept_of_tiff(data: bytes) -> bytes:
    """Of one that Pillow does not know as a picture."""
    exif = Image.Exif()
    try:
        exif.load(data)
        return kept(exif)
    except Exception:  # noqa: BLE001  broken metadata does not spoil a picture
        return b""


class Text(str):
    """Pillow reads texts as Latin-1, whatever they are, and would write `?` for what is not ASCII."""

    __slots__ = ()

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        return super().encode("latin-1")


def as_written(value: object) -> object:
    """As bytes, a text would not be written as one."""
    return Text(value) if isinstance(value, str) else value


def written_bytes(exif: Image.Exif) -> bytes:
    if not any((len(exif), exif.get_ifd(EXIF), exif.get_ifd(GPS))):
        return b""
    for directory in (EXIF, GPS):
        if not exif.get_ifd(directory):
            exif._ifds.pop(directory, None)  # noqa: SLF001
    return with_undefined(exif.tobytes().removeprefix(b"Exif\0\0"))


def with_undefined(written: bytes) -> bytes:
    """Bytes in the Exif directory are of no type (4.6.5), where Pillow takes most of them for numbers."""
    result = bytearray(written)
    for at in entries(result, struct.unpack_from(">I", result, 4)[0]):
        number, place = struct.unpack_from(">H6xI", result, at)
        for inner in entries(result, place) if number == EXIF else ():
            if struct.unpack_from(">H", result, inner + 2)[0] == BYTE:
                struct.pack_into(">H", result, inner + 2, UNDEFINED)
    return bytes(result)


def entries(data: bytearray, directory: int) -> range:
    """Where they begin; Pillow writes big-endian."""
    return range(directory + 2, directory + 2 + 12 * struct.unpack_from(">H", data, directory)[0], 12)
