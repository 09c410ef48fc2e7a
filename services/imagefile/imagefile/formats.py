"""The one table of image formats. Code that handles formats states nothing about them itself.

A format may be read only, or written only. An incomplete entry is an error at import.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from imagefile import bmp, gif, heif, isobmff, jpeg, jpeg_scans, jxl, png, tiff, tiff_kinds, webp
from imagefile.format_parts import Reading, Writing, always, never
from imagefile.limits import Limits

Value = TypeVar("Value")


class IncompleteTable(Exception):
    """A table lacks an entry for a format, or an entry lacks something."""


Format = Literal["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JXL", "HEIF"]
"""Pillow's names, in the order of the API's lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatInfo:
    title: str
    """The name in texts for people."""
    media_type: str
    extensions: tuple[str, ...]
    """The usual one first, without a dot."""
    reading: Reading | None = None
    """None: the format is written only."""
    writing: Writing | None = None
    """None: the format is read only."""
    becomes: Format | None = None
    """The format of a still result if the client chooses none. None for a format that is written only."""
    is_for_browsers: bool = True
    """Whether all common browsers show such files."""


FORMATS: Mapping[Format, FormatInfo] = {
    "JPEG": FormatInfo(
        title="JPEG",
        media_type="image/jpeg",
        extensions=("jpg", "jpeg", "jfif"),
        reading=Reading(
            signature=re.compile(rb"\xff\xd8\xff"),
            walk=jpeg_scans.walk,
            is_complete=jpeg_scans.is_complete,
            is_lossy=jpeg.is_lossy,
            for_decoder=jpeg_scans.for_decoder,
            unsupported_feature=jpeg.unsupported_feature,
        ),
        writing=Writing(
            choices=("jpeg", "jpg"),
            alpha=False,
            animated=False,
            bit_depths=(8,),
            has_quality=True,
            limits=Limits(longest_side=65_500),
        ),
        becomes="JPEG",
    ),
    "PNG": FormatInfo(
        title="PNG",
        media_type="image/png",
        extensions=("png",),
        reading=Reading(
            signature=re.compile(re.escape(png.SIGNATURE)),
            walk=png.walk,
            is_complete=png.is_complete,
            is_lossy=never,
            animated=True,
            for_decoder=png.for_decoder,
            unsupported_feature=png.unsupported_feature,
        ),
        writing=Writing(
            choices=("png",),
            alpha=True,
            animated=True,
            bit_depths=(8, 16),
            has_quality=False,
            keeps_all_of=("PNG",),
        ),
        becomes="PNG",
    ),
    "WEBP": FormatInfo(
        title="WebP",
        media_type="image/webp",
        extensions=("webp",),
        reading=Reading(
            signature=re.compile(rb"RIFF.{4}WEBPVP8[ LX]", re.DOTALL),
            walk=webp.walk,
            is_complete=webp.is_complete,
            is_lossy=webp.is_lossy,
            animated=True,
            for_decoder=webp.for_decoder,
        ),
        writing=Writing(
            choices=("webp",),
            alpha=True,
            animated=True,
            bit_depths=(8,),
            has_quality=True,
            # libwebp stores whole pictures: 10 bytes for each pixel of a lossy one, 25 to 40 of any other,
            # and up to 50 of an animation's frame, in addition to the other frames
            limits=Limits(
                longest_side=16_383,
                lossy_pixels=100_000_000,
                other_pixels=33_554_432,
                frame_pixels=16_777_216,
            ),
            keeps_all_of=("PNG", "WEBP", "GIF"),
        ),
        becomes="WEBP",
    ),
    "BMP": FormatInfo(
        title="BMP",
        media_type="image/bmp",
        extensions=("bmp",),
        reading=Reading(
            signature=re.compile(rb"BM"), walk=bmp.walk, is_complete=bmp.is_complete, is_lossy=never
        ),
        becomes="PNG",
    ),
    "TIFF": FormatInfo(
        title="TIFF",
        media_type="image/tiff",
        extensions=("tiff", "tif"),
        reading=Reading(
            # Pillow also reads a swapped 42
            signature=re.compile(rb"II\*\0|MM\0\*|II\0\*|MM\*\0|II\+\0|MM\0\+"),
            walk=tiff.walk,
            is_complete=tiff.is_complete,
            is_lossy=tiff_kinds.is_lossy,
        ),
        writing=Writing(
            choices=("tiff",),
            alpha=True,
            animated=False,
            bit_depths=(8, 16),
            has_quality=False,
            keeps_all_of=("TIFF",),
        ),
        becomes="TIFF",
        is_for_browsers=False,
    ),
    "GIF": FormatInfo(
        title="GIF",
        media_type="image/gif",
        extensions=("gif",),
        reading=Reading(
            signature=re.compile(rb"GIF8[79]a"),
            walk=gif.walk,
            is_complete=gif.is_complete,
            is_lossy=never,
            animated=True,
        ),
        writing=Writing(  # only animated GIFs stay GIFs
            choices=(),
            alpha=True,
            animated=True,
            bit_depths=(8,),
            has_quality=False,
            limits=Limits(longest_side=65_535),
            keeps_all_of=("PNG", "WEBP", "GIF"),
        ),
        becomes="PNG",
    ),
    "AVIF": FormatInfo(
        title="AVIF",
        media_type="image/avif",
        extensions=("avif",),
        reading=Reading(
            # a file of the general brand lists `avif` among its compatible brands
            signature=re.compile(rb"(?s).{4}ftyp(?:avi[fs]|(?:mif1|msf1|miaf).{4}(?:.{4}){0,7}avi[fs])"),
            walk=isobmff.walk,
            is_complete=heif.is_complete,
            is_lossy=always,
            unsupported_feature=heif.unsupported_feature,
        ),
        writing=Writing(
            choices=("avif",),
            alpha=True,
            animated=False,
            bit_depths=(8, 16),  # 16 in memory, 10 or 12 in the file
            has_quality=True,
            # libaom takes about 20 bytes for each pixel, and two seconds of a core for a megapixel of noise
            limits=Limits(longest_side=65_535, lossy_pixels=33_554_432, other_pixels=33_554_432),
        ),
        becomes="AVIF",
    ),
    "JXL": FormatInfo(
        title="JPEG XL",
        media_type="image/jxl",
        extensions=("jxl",),
        reading=Reading(
            signature=re.compile(rb"\xff\x0a|" + re.escape(jxl.SIGNATURE)),
            walk=jxl.walk,
            is_complete=jxl.is_complete,
            is_lossy=jxl.is_lossy,
        ),
        writing=Writing(
            choices=("jxl",),
            alpha=True,
            animated=False,
            bit_depths=(8, 16),
            has_quality=True,
            limits=Limits(lossy_pixels=33_554_432, other_pixels=33_554_432),
        ),
        becomes="JXL",
        is_for_browsers=False,
    ),
    "HEIF": FormatInfo(
        title="HEIC",
        media_type="image/heic",
        extensions=("heic", "heif", "hif"),
        reading=Reading(
            signature=re.compile(rb".{4}ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL),
            walk=isobmff.walk,
            is_complete=heif.is_complete,
            is_lossy=always,
            unsupported_feature=heif.unsupported_feature,
        ),
        becomes="JPEG",  # PNG for what a JPEG cannot hold
        is_for_browsers=False,
    ),
}


def check_table(table: Mapping[Format, FormatInfo]) -> None:
    """Raise `IncompleteTable` unless each format can be read or written, and becomes one that is written."""
    for name in get_args(Format):
        info = table.get(name)
        if info is None or not (info.reading or info.writing):
            raise IncompleteTable(f"{name} is neither read nor written")
        result = table.get(info.becomes) if info.becomes else None
        if info.reading and not (result and result.writing):
            raise IncompleteTable(f"{name} is read, and becomes no format that is written")


check_table(FORMATS)

READABLE: Mapping[Format, Reading] = {name: info.reading for name, info in FORMATS.items() if info.reading}
WRITABLE: Mapping[Format, Writing] = {name: info.writing for name, info in FORMATS.items() if info.writing}
CHOICES: Mapping[str, Format] = {
    choice: name for name, writing in WRITABLE.items() for choice in writing.choices
}
"""The values of `output_format`."""


def require_entries(
    names: Iterable[Format], table: Mapping[Format, Value], what: str
) -> Mapping[Format, Value]:
    """Return `table`. Raise `IncompleteTable` unless it has exactly the formats in `names`.

    `what` names an entry in the error's text, such as `decoder`.
    """
    needed = set(names)
    if missing := sorted(needed - set(table)):
        raise IncompleteTable(f"no {what} for {', '.join(missing)}")
    if unknown := sorted(set(table) - needed):
        raise IncompleteTable(f"an unexpected {what} for {', '.join(unknown)}")
    return table


def parse_format(name: str) -> Format:
    """Return the format with this name. Raise `ValueError` for an unknown one."""
    for known in FORMATS:
        if known == name:
            return known
    raise ValueError(f"no format is called {name!r}")


def identify(data: bytes) -> Format | None:
    """Return the format that the first bytes name, or None if they are unknown."""
    return next((name for name, reading in READABLE.items() if reading.signature.match(data)), None)


def refuse_parser_bomb(data: bytes) -> None:
    """Raise `ParserBomb` if the file has too many parts, which would keep parsers or decoders busy."""
    if name := identify(data):
        READABLE[name].walk(data)


def extension(name: Format) -> str:
    """Return the usual file name extension, without a dot."""
    return FORMATS[name].extensions[0]


def media_type(name: Format) -> str:
    return FORMATS[name].media_type


def keeps_all(result: Format, original: Format) -> bool:
    """Return whether a result in this format has all frames or pages of the original, and not only one."""
    return original in WRITABLE[result].keeps_all_of
