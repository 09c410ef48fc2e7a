"""What a file tells of itself (EXIF, CIPA DC-008), in the decoding child: what may go along into a result.

The rest would be wrong there: its orientation is applied, its sizes have changed, its thumbnail is another
picture.
"""

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


def as_written(value: object) -> object:
    """Pillow reads texts as Latin-1, whatever they are, and would write `?` for what is not ASCII."""
    return value.encode("latin-1") if isinstance(value, str) else value


def written_bytes(exif: Image.Exif) -> bytes:
    if not any((len(exif), exif.get_ifd(EXIF), exif.get_ifd(GPS))):
        return b""
    for directory in (EXIF, GPS):
        if not exif.get_ifd(directory):
            exif._ifds.pop(directory, None)  # noqa: SLF001
    return exif.tobytes().removeprefix(b"Exif\0\0")
