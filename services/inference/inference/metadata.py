"""The metadata of a file (EXIF, CIPA DC-008) that may be kept in its result.

The rest would be wrong in the result: the orientation is applied, the sizes have changed, and the thumbnail
shows another picture. The decoding child uses this module, so it imports no numpy.
"""

import math
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from PIL import Image

from imagefile.tiff import BYTE, UNDEFINED, NumberFormat, entries_at

ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
PHOTOSHOP_RESOLUTION = 0x03ED
INCHES = 2
UNITS = {INCHES: 1.0, 3: 2.54}
"""How many of each unit are an inch. 3 is the centimetre."""
LARGEST_DPI = 65_535
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
OUTDATED_TAGS = (0xA002, 0xA003, 0xA005)
"""Tags of the Exif directory that are false in a result: width, height, and the offset of another directory.
"""
MAKER_NOTE = 0x927C
LARGEST_EXIF_BYTES = 65_000
"""The most that fits into a JPEG segment."""


Dpi = tuple[float, float]
"""Pixels an inch, across and down."""


class Metadata(NamedTuple):
    exif: bytes
    """A TIFF structure, without the `Exif` that JPEG puts ahead of it. Empty if there is nothing to keep."""
    orientation: int
    dpi: Dpi | None = None
    """The resolution of the upright picture. None if the file says nothing, or nothing plausible."""


def read(opened: Image.Image) -> Metadata:
    """Read the metadata that may be kept. Broken metadata counts as none.

    For a PNG, Pillow decodes the pixels to reach its metadata.
    """
    try:
        exif = opened.getexif()
        orientation = exif.get(ORIENTATION, 1)
        return Metadata(select_tags(exif), orientation, read_dpi(opened, exif, orientation))
    except Exception:  # noqa: BLE001  broken metadata does not spoil a picture
        return Metadata(b"", 1, plausible_dpi(opened.info.get("dpi")))


def read_dpi(opened: Image.Image, exif: Image.Exif, orientation: int) -> Dpi | None:
    """Return the resolution from the file's header, from its EXIF data, or from what Photoshop wrote."""
    found = opened.info.get("dpi")
    is_jpeg_without = opened.format in ("JPEG", "MPO") and opened.info.get("jfif_unit") not in (1, 2)
    if is_jpeg_without or X_RESOLUTION not in getattr(opened, "tag_v2", (X_RESOLUTION,)):
        found = None  # Pillow has made it up
    dpi = plausible_dpi(found) or dpi_of(exif) or _dpi_of_photoshop(opened)
    return (dpi[1], dpi[0]) if dpi and orientation in SIDEWAYS else dpi


def _dpi_of_photoshop(opened: Image.Image) -> Dpi | None:
    """Return the resolution of a JPEG that has neither a header of JFIF nor EXIF data, as CMYK often has."""
    resources: dict[int, dict[str, float]] = opened.info.get("photoshop") or {}
    found = resources.get(PHOTOSHOP_RESOLUTION, {})
    return plausible_dpi([found[name] for name in ("XResolution", "YResolution") if name in found])


def dpi_of(exif: Image.Exif) -> Dpi | None:
    factor = UNITS.get(exif.get(RESOLUTION_UNIT, INCHES))
    if factor is None:
        return None
    with suppress(TypeError, ValueError, ZeroDivisionError):
        return plausible_dpi(
            [float(exif[tag]) * factor for tag in (X_RESOLUTION, Y_RESOLUTION) if tag in exif]
        )
    return None


def plausible_dpi(found: Sequence[float] | None) -> Dpi | None:
    with suppress(TypeError, ValueError, ZeroDivisionError):
        across, down = map(float, found or ())
        if all(math.isfinite(each) and 1 <= each <= LARGEST_DPI for each in (across, down)):
            return across, down
    return None


def with_dpi(exif: bytes | None, dpi: Dpi | None) -> bytes:
    """Return the tags with the resolution, for a format that has no other place for it."""
    if dpi is None:
        return exif or b""
    result = Image.Exif()
    if exif:
        result.load(b"Exif\0\0" + exif)
        for tag, value in list(result.items()):
            result[tag] = writable(value)
        for directory in (EXIF, GPS):
            values = {tag: writable(value) for tag, value in result.get_ifd(directory).items()}
            result.get_ifd(directory).update(values)
    result[X_RESOLUTION], result[Y_RESOLUTION] = dpi
    result[RESOLUTION_UNIT] = INCHES
    return serialise(result)


def read_orientation(opened: Image.Image) -> int:
    try:
        return opened.getexif().get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001  as above
        return 1


def read_tiff(data: bytes, *, is_sideways: bool | None = None) -> Metadata:
    """Read the metadata of a TIFF that may be kept, also if Pillow does not open it.

    `is_sideways` says whether the picture is stored turned by a quarter. By default the orientation does.
    """
    exif = Image.Exif()
    try:
        exif.load(data)
        orientation = exif.get(ORIENTATION, 1)
        dpi, is_turned = dpi_of(exif), orientation in SIDEWAYS if is_sideways is None else is_sideways
        return Metadata(select_tags(exif), orientation, (dpi[1], dpi[0]) if dpi and is_turned else dpi)
    except Exception:  # noqa: BLE001  as above
        return Metadata(b"", 1)


def select_tags(exif: Image.Exif) -> bytes:
    """Return the tags that may be kept, as a TIFF structure. Empty if there are none, or if they are too
    long.
    """
    result = Image.Exif()
    for tag in DESCRIPTIVE:
        if tag in exif:
            result[tag] = writable(exif[tag])
    for directory in (EXIF, GPS):
        values = {tag: writable(value) for tag, value in exif.get_ifd(directory).items()}
        result.get_ifd(directory).update(values)
    for tag in OUTDATED_TAGS:
        result.get_ifd(EXIF).pop(tag, None)
    written = serialise(result)
    if len(written) > LARGEST_EXIF_BYTES:
        # only the maker's note grows so large, and only the maker can read it
        result.get_ifd(EXIF).pop(MAKER_NOTE, None)
        written = serialise(result)
    return written if len(written) <= LARGEST_EXIF_BYTES else b""


class Latin1(str):
    """A text that is always written as Latin-1.

    Pillow reads any text as Latin-1, and would write `?` for each character that is not ASCII.
    """

    __slots__ = ()

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        return super().encode("latin-1")


def writable(value: object) -> object:
    """Return a value that Pillow writes back with the same type and the same bytes."""
    return Latin1(value) if isinstance(value, str) else value


def serialise(exif: Image.Exif) -> bytes:
    if not any((len(exif), exif.get_ifd(EXIF), exif.get_ifd(GPS))):
        return b""
    for directory in (EXIF, GPS):
        if not exif.get_ifd(directory):
            exif._ifds.pop(directory, None)  # noqa: SLF001
    return with_undefined_bytes(exif.tobytes().removeprefix(b"Exif\0\0"))


def with_undefined_bytes(written: bytes) -> bytes:
    """Give bytes of the Exif directory the type UNDEFINED (4.6.5). Pillow writes most of them as BYTE."""
    result, number_format = bytearray(written), NumberFormat(">", is_big=False)  # as Pillow writes
    for pointer in entries_at(written, struct.unpack_from(">I", written, 4)[0], number_format):
        if pointer.tag == EXIF:
            for entry in entries_at(
                written, struct.unpack_from(">I", written, pointer.value)[0], number_format
            ):
                if entry.kind == BYTE:
                    struct.pack_into(">H", result, entry.position + 2, UNDEFINED)
    return bytes(result)
