"""The decoding child: a process of its own, with limits, that turns untrusted files into raw pixels.

It reads files from stdin, answers on stdout and ends when stdin does. It imports no numpy, to stay small.
16-bit samples are reduced to 8; 32-bit and floating-point ones are refused, since their range is unknown.
"""

import io
import json
import os
import resource
import struct
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import BinaryIO, TypedDict

from PIL import Image, ImageCms, UnidentifiedImageError

for plugin in ("Bmp", "Gif", "Jpeg", "Mpo", "Png", "Tiff", "WebP"):  # before the process is confined
    import_module(f"PIL.{plugin}ImagePlugin")

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
LENGTH = struct.Struct(">Q")
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
PLAIN = {"1": "L", "L": "L", "LA": "LA", "La": "LA", "P": "RGB", "PA": "RGBA"} | {
    "RGB": "RGB", "RGBX": "RGB", "RGBA": "RGBA", "RGBa": "RGBA", "YCbCr": "RGB"
}  # fmt: skip
EIGHT_OF_SIXTEEN = [(sample + 128) // 257 for sample in range(65536)]


class Unsupported(Exception):
    """A sound file with pixels of a kind that is not handled."""


@dataclass(frozen=True, slots=True)
class Limits:
    pixels: int = 50_000_000
    memory_bytes: int = 1536 << 20
    """Address space of the child; the dearest kind, a WebP of so many pixels, takes 813 MB."""
    cpu_seconds: int = 30
    """Of processor time for one file."""


class Answer(TypedDict):
    """Goes ahead of the pixels, the alpha channel and the profile, in this order."""

    width: int
    height: int
    channels: int
    format: str
    has_alpha: bool
    alpha_follows: bool
    is_lossless: bool
    icc_bytes: int


class Refusal(TypedDict):
    reason: str
    message: str


def main() -> None:
    limits = Limits(**json.loads(sys.argv[1]))
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a C library that prints must not write into the answers
    confine(limits)
    with suppress(BrokenPipeError):
        while length := requests.read(LENGTH.size):
            allow_cpu(limits.cpu_seconds)
            answer(requests.read(LENGTH.unpack(length)[0]), limits.pixels, answers)


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
        image = decode(data, most_pixels)
    except Exception as error:  # noqa: BLE001  a hostile file raises anything, and each of it means the same
        send(out, Refusal(reason=reason(error), message=f"{type(error).__name__}: {error}"[:300]))
        return
    send(out, described(image, data))
    grey = image.mode in ("L", "LA")
    write_strips(image, "L" if grey else "RGB", out)
    if alpha_follows(image):
        write_strips(image.getchannel("A"), "L", out)
    out.write(image.info["icc_profile"] or b"")
    out.flush()


def send(out: BinaryIO, header: Answer | Refusal) -> None:
    encoded = json.dumps(header).encode()
    out.write(LENGTH.pack(len(encoded)) + encoded)
    out.flush()


def reason(error: Exception) -> str:
    match error:
        case UnidentifiedImageError() | Unsupported():
            return "unsupported_format"
        case Image.DecompressionBombError() | Image.DecompressionBombWarning():
            return "too_many_pixels"
        case MemoryError():
            return "too_much_memory"
        case _:
            return "corrupt_image"


def decode(data: bytes, most_pixels: int) -> Image.Image:
    """An upright picture in one of L, LA, RGB, RGBA, whatever the file held."""
    opened = Image.open(io.BytesIO(data), formats=FORMATS)
    if opened.width * opened.height > most_pixels:
        raise Image.DecompressionBombError(f"{opened.width} x {opened.height} pixels, at most {most_pixels}")
    opened.load()
    orientation = orientation_of(opened)
    if opened.format == "PNG":
        scale_transparent_sample(opened, depth=data[24])
    image = to_plain_mode(opened)
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    source = opened.format or ""
    image.info = {
        "icc_profile": fitting_profile(opened, is_grey=image.mode in ("L", "LA")),
        "source_format": SAME_FORMAT.get(source, source),
    }
    return image


def orientation_of(image: Image.Image) -> int:
    """Pillow has turned a TIFF by the time it is loaded, and then says so here."""
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # noqa: BLE001  broken metadata does not spoil a picture
        return 1


def scale_transparent_sample(image: Image.Image, depth: int) -> None:
    """Pillow scales a PNG's samples to 8 bits, but not the sample that tRNS declares transparent."""
    transparent = image.info.get("transparency")
    if image.mode == "L" and depth in (2, 4) and transparent is not None:
        image.info["transparency"] = transparent * (255 // (2**depth - 1))
    elif image.mode == "RGB" and depth == 16 and transparent is not None:
        image.info["transparency"] = tuple(sample >> 8 for sample in transparent)


def to_plain_mode(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return from_16_bit_grey(image)
    if image.mode in ("CMYK", "LAB"):
        return to_srgb(image)
    if image.mode not in PLAIN:
        raise Unsupported(f"pixels of mode {image.mode}")
    mode = PLAIN[image.mode]
    if "transparency" in image.info and not mode.endswith("A"):
        mode += "A"
    return image if mode == image.mode else image.convert(mode)


def from_16_bit_grey(image: Image.Image) -> Image.Image:
    samples = image.convert("I")
    grey = samples.point(EIGHT_OF_SIXTEEN, "L")
    transparent = image.info.get("transparency")
    if transparent is None:
        return grey
    opacity = [255] * 65536
    opacity[transparent] = 0
    return Image.merge("LA", (grey, samples.point(opacity, "L")))


def to_srgb(image: Image.Image) -> Image.Image:
    """Ink goes through the file's own profile; without a usable one, through Pillow's plain formula."""
    profile = (
        ImageCms.createProfile("LAB")
        if image.mode == "LAB"
        else io.BytesIO(image.info.get("icc_profile", b""))
    )
    with suppress(ImageCms.PyCMSError):
        converted = ImageCms.profileToProfile(
            image,
            profile,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if converted is not None:
            return converted
    return image.convert("RGB")


def fitting_profile(image: Image.Image, *, is_grey: bool) -> bytes | None:
    """Bytes 16 to 19 of a profile name its colour space, 36 to 39 its being one."""
    icc: bytes = image.info.get("icc_profile") or b""
    if len(icc) > ICC_BYTES or icc[36:40] != b"acsp" or icc[16:20] != (b"GRAY" if is_grey else b"RGB "):
        return None
    return icc


def described(image: Image.Image, data: bytes) -> Answer:
    source = image.info["source_format"]
    return Answer(
        width=image.width,
        height=image.height,
        channels=1 if image.mode in ("L", "LA") else 3,
        format=source,
        has_alpha=image.mode in ("LA", "RGBA"),
        alpha_follows=alpha_follows(image),
        is_lossless=source != "JPEG" and not (source == "WEBP" and is_lossy_webp(data)),
        icc_bytes=len(image.info["icc_profile"] or b""),
    )


def alpha_follows(image: Image.Image) -> bool:
    return image.mode in ("LA", "RGBA") and image.getchannel("A").getextrema() != (255, 255)


def is_lossy_webp(data: bytes) -> bool:
    """A still one has its pixels in a chunk VP8 (lossy) or VP8L; an animated one is taken for lossy."""
    position = 12
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        if name == b"VP8L":
            return False
        position += 8 + length + length % 2
    return True


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
