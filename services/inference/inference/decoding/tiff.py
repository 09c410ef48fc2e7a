"""Decodes TIFF, in the decoding child: libvips reads 16 bits a sample, and Pillow reads fewer.

The first page of full resolution is taken, and what neither library reads right is rewritten first.
"""

from imagefile import tiff_kinds
from imagefile.formats import Format
from imagefile.tiff import Tags
from imagefile.tiff_metadata import to_classic, without_directories
from imagefile.tiff_pages import select_directory, select_picture
from inference import metadata
from inference.decoding import sixteen_bit, still
from inference.decoding.modes import Unsupported
from inference.decoding.protocol import Decoded
from inference.decoding.tiff_plain import to_plain


def read(data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    return read_first(select_picture(data), file_format, most_pixels)


def read_directory(data: bytes, directory: int, most_pixels: int) -> Decoded:
    """Decode the page whose directory is at this offset."""
    return read_first(select_directory(data, directory), "TIFF", most_pixels)


def read_first(picture: bytes, file_format: Format, most_pixels: int) -> Decoded:
    """Decode the picture of the first directory."""
    tags = Tags(picture)
    if feature := tiff_kinds.unsupported_feature(tags):
        raise Unsupported(feature)
    sixteen_bit.check_pixels(*tiff_kinds.upright_size(tags), most_pixels)
    found = metadata.read_tiff(to_classic(picture))
    plain = without_directories(to_plain(picture, tags))
    if tiff_kinds.depth(tags) == 16:
        return sixteen_bit.read_tiff(plain, found, most_pixels)
    return still.read_opened(still.open_image(plain, file_format, most_pixels), plain, file_format, found)
