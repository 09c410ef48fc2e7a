"""Finds out a file's format and size, and whether it is complete, without decoding pixels.

The file's name and declared type are ignored. The signature decides the format, the structure of the file
decides whether it is complete, and Pillow reads the header. Parser bombs are refused before Pillow reads the
file. Uploads are read here in the parsing child only.
"""

import io
import warnings
from collections.abc import Collection
from dataclasses import replace

from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from imagefile import (
    bmp,
    bmp_runs,
    colours,
    formats,
    gif,
    heif,
    jpeg_pixels,
    jpeg_quality,
    jxl,
    png_colours,
    small_pictures,
    tiff,
    tiff_kinds,
)
from imagefile.formats import READABLE, Format, media_type
from imagefile.parser_bombs import ParserBomb
from imagefile.tiff import Tags
from imagefile.tiff_pages import select_picture
from images.formats import png, sequences
from images.formats.header import Header, Refused, check_pixels

Image.MAX_IMAGE_PIXELS = None  # our own limit is checked from the header
MOST_FRAMES = gif.MOST_FRAMES
MODES_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
CODINGS: dict[Format, tuple[bytes, ...]] = {"AVIF": heif.AV1, "HEIF": heif.HEVC}
"""The codings of formats whose header is read from their boxes, and not by Pillow."""
MOST_CODED = 2
"""Tiles reach beyond a picture. Together they may have this many times the limit of pixels."""
BROKEN = "The image is corrupt or incomplete."


def unknown_text(accepted: Collection[Format]) -> str:
    """Return the refusal of a file that has none of these formats. No formats stand for all."""
    names = [everyday_name(name) for name in READABLE if not accepted or name in accepted]
    return f"The image must be a file of type: {', '.join(names)}."


def everyday_name(name: Format) -> str:
    """Return the name that people and media types use, such as `heic`."""
    return media_type(name).removeprefix("image/")


def sniff(data: bytes, *, largest_pixels: int, accepted: Collection[Format] = ()) -> Header:
    """Read the header in this process. Raise `InvalidArgument` on the field `image` instead of `Refused`."""
    from common import errors  # noqa: PLC0415  the child does without it, which saves 12 MiB and half its start

    try:
        return read(data, largest_pixels=largest_pixels, accepted=accepted)
    except Refused as error:
        raise errors.invalid({"image": [str(error)]}) from error.__cause__


def read(data: bytes, *, largest_pixels: int, accepted: Collection[Format] = ()) -> Header:
    """Return the file's header. Raise `Refused` if it cannot be upscaled.

    `largest_pixels` limits all frames together. `accepted` are the formats that this installation takes;
    without any it takes all.
    """
    if not data:
        raise _refused("The image field is required.")
    format_ = formats.identify(data)
    if format_ is None or (accepted and format_ not in accepted):
        raise _refused(unknown_text(accepted))
    try:
        formats.refuse_parser_bomb(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read_header(format_, data, largest_pixels)
    except Refused:
        raise
    except ParserBomb as bomb:
        raise _refused(f"The image may not have {bomb}.") from bomb
    except UnidentifiedImageError as error:
        raise _refused(BROKEN if format_ in ("JPEG", "PNG", "WEBP") else unknown_text(accepted)) from error
    except Exception as error:  # damaged bytes can make Pillow raise any exception
        raise _refused(BROKEN) from error


UNKNOWN = unknown_text(())


def _refused(text: str) -> Refused:
    return Refused(text)


def _read_header(format_: Format, data: bytes, largest_pixels: int) -> Header:
    reading = READABLE[format_]
    if feature := reading.unsupported_feature(data):
        raise _refused(f"The image is of a kind that cannot be upscaled: {feature}.")
    if format_ in CODINGS:
        return _header_of_boxes(format_, data, largest_pixels)
    if format_ == "JXL":
        return _jxl_header(data, largest_pixels)
    if format_ == "TIFF":
        header = _tiff_header(select_picture(data), largest_pixels)
        return replace(header, sequence=sequences.of_tiff(data, largest_pixels))
    if format_ == "BMP":
        return _bmp_header(data, largest_pixels)
    still = reading.for_decoder(data)
    with Image.open(io.BytesIO(still), formats=[format_]) as image:
        if problem := _hdr_refusal(format_, image, still):
            raise _refused(problem)
        header = _header(format_, image, still, largest_pixels)
    if format_ == "PNG":
        return replace(header, sequence=sequences.of_png(data, (header.width, header.height), largest_pixels))
    return header


def _header(format_: Format, image: ImageFile.ImageFile, data: bytes, largest_pixels: int) -> Header:
    width, height = image.size
    check_pixels(width * height, largest_pixels)
    if not READABLE[format_].is_complete(data) or (format_ == "JPEG" and not jpeg_pixels.are_complete(data)):
        raise _refused(BROKEN)
    summary = gif.summarise(data) if format_ == "GIF" else None
    frames, pixels = (summary.frames, summary.width * summary.height) if summary else _frames(format_, image)
    if frames > MOST_FRAMES:
        raise _refused(f"The image may not have more than {MOST_FRAMES} frames.")
    if frames * pixels > largest_pixels:
        raise _refused(f"The frames may not have more than {largest_pixels / 1e6:g} megapixels together.")
    if not small_pictures.can_be_decoded(format_, data, frames * pixels):
        raise _refused(BROKEN)
    size = (height, width) if _is_sideways(format_, image, data) else (width, height)
    has_alpha = image.mode in MODES_WITH_ALPHA or "transparency" in image.info
    has_alpha |= summary is not None and summary.has_holes
    is_lossy = READABLE[format_].is_lossy(data)
    quality = jpeg_quality.jpeg_quality(getattr(image, "quantization", None))
    is_worn = jpeg_quality.is_worn(format_, quality, is_lossy=is_lossy)
    return Header(format_, *size, frames, is_lossy, is_worn, has_alpha=has_alpha)


def _hdr_refusal(format_: Format, image: ImageFile.ImageFile, data: bytes) -> str:
    icc = image.info.get("icc_profile") or b""
    if format_ == "PNG":
        return png_colours.refusal(data, icc)
    return colours.HDR if colours.is_hdr_profile(icc) else ""


def _header_of_boxes(format_: Format, data: bytes, largest_pixels: int) -> Header:
    """Return the header of a HEIF or AVIF file from its boxes."""
    summary = heif.summarise(data)
    check_pixels(max(summary.width * summary.height, summary.coded_pixels // MOST_CODED), largest_pixels)
    if problem := heif.refusal(summary, CODINGS[format_]):
        raise _refused(problem)
    if not summary.is_whole or min(summary.width, summary.height) < 1:
        raise _refused(BROKEN)
    return Header(
        format_,
        summary.width,
        summary.height,
        is_lossy=READABLE[format_].is_lossy(data),
        depth=summary.depth,
        has_alpha=summary.has_alpha,
        sequence=sequences.UNREAD_ANIMATION if heif.is_animated(data) else sequences.NO_SEQUENCE,
    )


def _jxl_header(data: bytes, largest_pixels: int) -> Header:
    """Return the header of a JPEG XL file, which Pillow does not read."""
    header = jxl.read_header(data)
    check_pixels(header.width * header.height, largest_pixels)
    if problem := jxl.refusal(header):
        raise _refused(problem)
    reading = READABLE["JXL"]
    if not reading.is_complete(data) or min(header.width, header.height) < 1:
        raise _refused(BROKEN)
    return Header(
        "JXL",
        header.width,
        header.height,
        is_lossy=reading.is_lossy(data),
        has_alpha=header.has_alpha,
        sequence=sequences.UNREAD_ANIMATION if header.is_animated else sequences.NO_SEQUENCE,
    )


def _tiff_header(data: bytes, largest_pixels: int) -> Header:
    """Return the header of a TIFF without Pillow, which does not open all kinds that the decoder reads."""
    tiff.walk(data)  # again, because the picture may have a later directory than the first
    tags = Tags(data)
    is_complete = READABLE["TIFF"].is_complete(data)
    width, height = tiff_kinds.upright_size(tags)
    check_pixels(max(width * height, tiff.coded_pixels(tags) // MOST_CODED), largest_pixels)
    if not is_complete or min(width, height) < 1 or not tiff_kinds.has_plausible_strips(tags):
        raise _refused(BROKEN)
    if feature := tiff_kinds.unsupported_feature(tags):
        raise _refused(f"The image is of a kind that cannot be upscaled: {feature}.")
    is_lossy = READABLE["TIFF"].is_lossy(data)
    is_worn = jpeg_quality.is_worn("TIFF", None, is_lossy=is_lossy)
    return Header("TIFF", width, height, 1, is_lossy, is_worn, has_alpha=tiff_kinds.has_alpha(tags))


def _bmp_header(data: bytes, largest_pixels: int) -> Header:
    """Return the header of a BMP without Pillow, which does not open all kinds that the decoder reads."""
    header = bmp.read_header(data)
    width, height = header.width, abs(header.height)
    check_pixels(width * height, largest_pixels)
    if not READABLE["BMP"].is_complete(data) or min(width, height) < 1:
        raise _refused(BROKEN)
    if feature := bmp.unsupported_feature(header):
        raise _refused(f"The image is of a kind that cannot be upscaled: {feature}.")
    if not bmp_runs.are_complete(data, header):
        raise _refused(BROKEN)
    return Header("BMP", width, height, has_alpha=bmp.has_alpha(header))


def _frames(format_: Format, image: ImageFile.ImageFile) -> tuple[int, int]:
    """Return the number of frames and the pixels of each. Pillow counts the frames of a WebP on opening."""
    frames: int = getattr(image, "n_frames", 1) if READABLE[format_].animated else 1
    return frames, image.width * image.height


def _is_sideways(format_: Format, image: ImageFile.ImageFile, data: bytes) -> bool:
    """Return whether the EXIF orientation swaps width and height. Damaged metadata counts as upright."""
    try:
        exif = png.exif(data) if format_ == "PNG" else image.getexif()
    except Exception:  # noqa: BLE001  damaged bytes can raise any exception
        return False
    return exif.get(ExifTags.Base.Orientation) in tiff_kinds.SIDEWAYS
