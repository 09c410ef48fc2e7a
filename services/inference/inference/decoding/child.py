"""The decoding child: a process of its own, with limits, that turns untrusted files into raw pixels.

It reads files from stdin, answers on stdout and ends when stdin does. It imports no numpy, to stay small.
32-bit and floating-point samples are refused, since their range is unknown.
"""

import io
import json
import math
import os
import resource
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from inference import metadata
from inference.decoding import animation, gif, modes, sixteen_bit
from inference.decoding.jpeg_quality import jpeg_quality
from inference.decoding.protocol import LENGTH, TOKEN_BYTES, Answer, Refusal

for plugin in ("Bmp", "Gif", "Jpeg", "Mpo", "Png", "Tiff", "WebP"):  # before the process is confined
    import_module(f"PIL.{plugin}ImagePlugin")

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
ICC_BYTES = 4 << 20
STRIP_BYTES = 1 << 20
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SAME_FORMAT = {"MPO": "JPEG", "DIB": "BMP"}


@dataclass(frozen=True, slots=True)
class Limits:
    pixels: int = 50_000_000
    memory_bytes: int = 1536 << 20
    """Address space of the child; of so many pixels a WebP takes 813 MB, and the dearest kind, a TIFF of 16
    bits with alpha by LZMA or in tiled planes, 888 MB.
    """
    cpu_seconds: int = 30
    """Of processor time for one file."""

    def for_pixels(self, pixels: int) -> "Limits":
        """Return the limits for files of up to that many pixels; 0 changes nothing.

        For more pixels than usual, memory and time grow in proportion. They never shrink.
        """
        factor = max(1.0, pixels / self.pixels)
        memory, seconds = math.ceil(self.memory_bytes * factor), math.ceil(self.cpu_seconds * factor)
        return Limits(pixels or self.pixels, memory, seconds)


def main() -> None:
    limits = Limits(**json.loads(sys.argv[1]))
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a C library that prints must not write into the answers
    confine(limits)
    with suppress(BrokenPipeError):
        while token := requests.read(TOKEN_BYTES):
            length = LENGTH.unpack(requests.read(LENGTH.size))[0]
            allow_cpu(limits.cpu_seconds)
            answer(requests.read(length), limits.pixels, answers)
            answers.write(token)
            answers.flush()


def confine(limits: Limits) -> None:
    """No more memory than allowed, no file written, no further process, no core dump."""
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 16),
    ):
        resource.setrlimit(what, (most, most))
    Image.MAX_IMAGE_PIXELS = limits.pixels
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def allow_cpu(seconds: int) -> None:
    """The limit counts from the start of the process, so each file moves it on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent = int(used.ru_utime + used.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (spent + 1 + seconds, resource.RLIM_INFINITY))


def answer(data: bytes, most_pixels: int, out: BinaryIO) -> None:
    try:
        if sixteen_bit.is_deep(data):
            send_deep(sixteen_bit.read(data, most_pixels), data, out)
            return
        opened = open_file(data, most_pixels)
        if animation.are_many(opened):
            exif, orientation = told_by(opened)
            transpose = UPRIGHT.get(orientation)
            send_frames(animation.read(opened, data, most_pixels, transpose), opened, data, exif, out)
            return
        exif = told_by(opened)[0] if opened.format == "TIFF" else None  # which Pillow closes
        image = decode(opened, data)
        exif = told_by(opened)[0] if exif is None else exif
    except Exception as error:  # noqa: BLE001  a hostile file raises anything, and each of it means the same
        send(out, Refusal(reason=reason(error), message=f"{type(error).__name__}: {error}"[:300]))
        return
    header = described(image, data)
    header["exif_bytes"] = len(exif)
    send(out, header)
    grey = image.mode in ("L", "LA")
    write_strips(image, "L" if grey else "RGB", out)
    if alpha_follows(image):
        write_strips(image.getchannel("A"), "L", out)
    out.write(image.info["icc_profile"] or b"")
    out.write(exif)


def told_by(opened: Image.Image) -> tuple[bytes, int]:
    """What goes along of the EXIF data, and the orientation. A PNG is decoded for it, if it is not yet."""
    try:
        exif = opened.getexif()
        return metadata.kept(exif), exif.get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001  broken metadata does not spoil a picture
        return b"", 1


def told_by_deep(picture: sixteen_bit.SixteenBit, data: bytes) -> tuple[bytes, int]:
    """Of a PNG, Pillow finds the orientation in more places; it does not know every TIFF of 16 bits."""
    try:
        exif, orientation = told_by(Image.open(io.BytesIO(data), formats=FORMATS))
    except UnidentifiedImageError:
        return metadata.kept_of_tiff(data), picture.orientation
    return exif, orientation if picture.file_format == "PNG" else picture.orientation


def send_deep(picture: sixteen_bit.SixteenBit, data: bytes, out: BinaryIO) -> None:
    exif, orientation = told_by_deep(picture, data)
    icc = fitting_profile(picture.icc, is_grey=picture.channels < 3) or b""
    header = Answer(
        width=picture.width,
        height=picture.height,
        channels=picture.channels,
        depth=16,
        orientation=orientation,
        format=picture.file_format,
        has_alpha=picture.channels in (2, 4),
        alpha_follows=False,
        is_lossless=True,
        jpeg_quality=None,
        icc_bytes=len(icc),
        exif_bytes=len(exif),
        milliseconds=[],
        loop=None,
    )
    send(out, header)
    out.writelines(picture.strips)
    out.write(icc)
    out.write(exif)


def send_frames(
    picture: animation.Frames, opened: Image.Image, data: bytes, exif: bytes, out: BinaryIO
) -> None:
    """Each frame's colours, followed by its alpha channel where there is one."""
    first = picture.images[0]
    first.info = {
        "icc_profile": fitting_profile(opened.info.get("icc_profile") or b"", is_grey=False),
        "source_format": opened.format or "",
    }
    has_alpha = first.mode == "RGBA"
    header = described(first, data)
    header["alpha_follows"] = has_alpha
    header["exif_bytes"] = len(exif)
    header["milliseconds"], header["loop"] = picture.milliseconds, picture.loop
    send(out, header)
    for image in picture.images:
        write_strips(image, "RGB", out)
        if has_alpha:
            write_strips(image.getchannel("A"), "L", out)
    out.write(first.info["icc_profile"] or b"")
    out.write(exif)


def send(out: BinaryIO, header: Answer | Refusal) -> None:
    encoded = json.dumps(header).encode()
    out.write(LENGTH.pack(len(encoded)) + encoded)


def reason(error: Exception) -> str:
    match error:
        case UnidentifiedImageError() | modes.Unsupported():
            return "unsupported_format"
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            return "too_many_pixels"
        case MemoryError():
            return "too_much_memory"
        case _:
            return "corrupt_image"


def open_file(data: bytes, most_pixels: int) -> Image.Image:
    opened = Image.open(io.BytesIO(data), formats=FORMATS)
    if opened.width * opened.height > most_pixels:
        raise Image.DecompressionBombError(f"{opened.width} x {opened.height} pixels, at most {most_pixels}")
    return opened


def decode(opened: Image.Image, data: bytes) -> Image.Image:
    """An upright picture in one of L, LA, RGB, RGBA, whatever the file held."""
    opened.load()
    orientation = orientation_of(opened)
    if opened.format == "PNG":
        modes.scale_transparent_sample(opened, depth=data[24])
    image = modes.to_plain_mode(gif.on_canvas(opened, data) if opened.format == "GIF" else opened)
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    source = opened.format or ""
    image.info = {
        "icc_profile": fitting_profile(
            opened.info.get("icc_profile") or b"", is_grey=image.mode in ("L", "LA")
        ),
        "source_format": SAME_FORMAT.get(source, source),
        "jpeg_quality": jpeg_quality(getattr(opened, "quantization", None)),
    }
    return image


def orientation_of(image: Image.Image) -> int:
    """Pillow has turned a TIFF by the time it is loaded, and then says so here."""
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001  broken metadata does not spoil a picture
        return 1


def fitting_profile(icc: bytes, *, is_grey: bool) -> bytes | None:
    """Bytes 16 to 19 of a profile name its colour space, 36 to 39 its being one."""
    if len(icc) > ICC_BYTES or icc[36:40] != b"acsp" or icc[16:20] != (b"GRAY" if is_grey else b"RGB "):
        return None
    return icc


def described(image: Image.Image, data: bytes) -> Answer:
    source = image.info["source_format"]
    return Answer(
        width=image.width,
        height=image.height,
        channels=1 if image.mode in ("L", "LA") else 3,
        depth=8,
        orientation=1,
        format=source,
        has_alpha=image.mode in ("LA", "RGBA"),
        alpha_follows=alpha_follows(image),
        is_lossless=source != "JPEG" and not (source == "WEBP" and is_lossy_webp(data)),
        jpeg_quality=image.info.get("jpeg_quality"),
        icc_bytes=len(image.info["icc_profile"] or b""),
        exif_bytes=0,
        milliseconds=[],
        loop=None,
    )


def alpha_follows(image: Image.Image) -> bool:
    return image.mode in ("LA", "RGBA") and image.getchannel("A").getextrema() != (255, 255)


def is_lossy_webp(data: bytes) -> bool:
    """Pixels are in chunks VP8 (lossy) or VP8L; those of an animation within its frames, behind 16 bytes."""
    position, kinds = 12, set[bytes]()
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        kinds.add(name)
        position += 8 + (16 if name == b"ANMF" else length + length % 2)
    return b"VP8L" not in kinds or b"VP8 " in kinds


def write_strips(image: Image.Image, mode: str, out: BinaryIO) -> None:
    out.writelines(
        (strip if strip.mode == mode else strip.convert(mode)).tobytes() for strip in strips(image)
    )


def strips(image: Image.Image) -> Iterator[Image.Image]:
    """Whole, a picture would be held three times over while it is written."""
    rows = max(1, STRIP_BYTES // (image.width * 4))
    for top in range(0, image.height, rows):
        yield image.crop((0, top, image.width, min(top + rows, image.height)))


if __name__ == "__main__":
    main()
