"""Decodes the primary picture of a HEIC file, in the decoding child.

libheif applies the rotation, the mirroring and the clean aperture that the file asks for. The orientation in
the EXIF data is ignored, because it repeats them (ISO/IEC 23008-12, annex A).
"""

import threading
from typing import Any

import pi_heif
from PIL import Image

from imagefile import heif
from imagefile.formats import Format
from inference import metadata
from inference.decoding import cpu_budget, modes, nclx, still
from inference.decoding.libvips import divide_by_alpha, pyvips
from inference.decoding.modes import Unsupported
from inference.decoding.protocol import Decoded, DecodedHeader
from inference.metadata import Metadata

MOST_CODED = 2
"""Tiles may have this many times the limit of pixels together, because they reach beyond the picture."""

pi_heif.options.DECODE_THREADS = 0  # libde265 starts one nevertheless
pi_heif.options.THUMBNAILS = pi_heif.options.DEPTH_IMAGES = pi_heif.options.AUX_IMAGES = False


def read(data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    summary = check(data, most_pixels, heif.HEVC)
    opened: Any = pi_heif.open_heif(data, convert_hdr_to_8bit=False, hdr_to_16bit=True)
    image = opened[opened.primary_index]
    if not image.info["primary"]:
        raise ValueError("the primary picture is none that can be shown")
    pixels = bytes(image.data)
    check_size(summary, image.size)  # the size is known only now
    mode, _, sixteen = image.mode.partition(";")
    mode = "L" if mode == "I" else mode
    is_grey = mode in modes.GREY_MODES
    icc = modes.usable_profile(image.info.get("icc_profile") or b"", is_grey=is_grey)
    icc = icc or nclx.profile(summary.colour, is_grey=is_grey)
    tags = metadata.read_tiff(image.info.get("exif") or b"", is_sideways=summary.is_sideways)
    if sixteen and mode in modes.PREMULTIPLIED:
        load: Any = pyvips.Image.new_from_memory
        stored = load(pixels, *image.size, len(mode), "ushort")
        mode, pixels = mode.upper(), bytes(divide_by_alpha(stored).write_to_memory())
    if sixteen:
        return describe_deep(pixels, mode, image.size, summary.depth, file_format, icc, tags)
    return describe(
        Image.frombuffer(mode, image.size, pixels, "raw", mode, 0, 1), data, file_format, icc, tags
    )


def check(data: bytes, most_pixels: int, codings: tuple[bytes, ...]) -> heif.Summary:
    """Return the facts about the file. Raise an error if it is too large, or not supported."""
    summary = heif.summarise(data)
    if max(summary.width * summary.height, summary.coded_pixels // MOST_CODED) > most_pixels:
        raise Image.DecompressionBombError(f"{summary.width} x {summary.height} pixels")
    cpu_budget.announce(max(summary.width * summary.height, summary.coded_pixels))
    if problem := heif.refusal(summary, codings):
        raise Unsupported(problem)
    if not can_start_threads():
        raise Unsupported(
            "libheif needs a thread, and this machine has no filter that forbids only processes"
        )
    return summary


def check_size(summary: heif.Summary, size: tuple[int, int]) -> None:
    """Raise `ValueError` if the decoded picture has another size than its boxes say."""
    if size != (summary.width, summary.height):
        raise ValueError(f"{size[0]} x {size[1]} instead of {summary.width} x {summary.height} pixels")


def can_start_threads() -> bool:
    """Return False where the kernel has no seccomp, and a limit forbids processes and threads alike."""
    thread = threading.Thread(target=bool)
    try:
        thread.start()
    except RuntimeError:
        return False
    thread.join()
    return True


def describe(image: Image.Image, data: bytes, file_format: Format, icc: bytes, tags: Metadata) -> Decoded:
    """Return a picture of 8 bits that is upright already."""
    plain = modes.to_plain_mode(image)
    header = still.describe(plain, data, file_format)
    header["icc_bytes"], header["exif_bytes"] = len(icc), len(tags.exif)
    header["dpi"] = list(tags.dpi) if tags.dpi else None
    return Decoded(header, still.parts(plain, header, icc, tags.exif))


def describe_deep(
    pixels: bytes,
    mode: str,
    size: tuple[int, int],
    bits: int,
    file_format: Format,
    icc: bytes,
    tags: Metadata,
) -> Decoded:
    """Return a picture of more than 8 bits. Its samples are stored in the upper bits of 16."""
    if mode not in ("L", "LA", "RGB", "RGBA"):
        raise Unsupported(f"{bits} bits of mode {mode}")
    header = DecodedHeader(
        width=size[0],
        height=size[1],
        channels=len(mode),
        depth=16,
        bits=bits,
        orientation=1,
        format=file_format,
        has_alpha=mode in modes.ALPHA_MODES,
        alpha_follows=False,
        is_lossless=False,
        jpeg_quality=None,
        icc_bytes=len(icc),
        exif_bytes=len(tags.exif),
        milliseconds=[],
        loop=None,
        dpi=list(tags.dpi) if tags.dpi else None,
    )
    return Decoded(header, (pixels, icc, tags.exif))
