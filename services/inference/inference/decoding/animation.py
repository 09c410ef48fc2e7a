"""Animated GIF and WebP in the decoding child: each frame as a viewer shows it, not as the file stores it."""

from collections.abc import Iterator

from PIL import Image

from imagefile.formats import Format
from imagefile.gif import MOST_FRAMES
from imagefile.gif_pictures import read_pictures
from inference import metadata
from inference.decoding import cpu_budget, gif, modes, still
from inference.decoding.protocol import Decoded, DecodedHeader


def is_animated(opened: Image.Image) -> bool:
    return getattr(opened, "is_animated", False)


def read(opened: Image.Image, data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    """Decode all frames. Raise `DecompressionBombError` for too many of them, or for too many pixels."""
    tags = metadata.read(opened)
    check_pixels(opened, most_pixels)
    images: list[Image.Image] = []
    milliseconds: list[int] = []
    frames = read_gif(opened, data) if file_format == "GIF" else read_webp(opened)
    for image, duration in frames:
        images.append(still.turn_upright(image, tags.orientation))
        milliseconds.append(duration)
    if all(still.is_opaque(image) for image in images):
        images = [image.convert("RGB") for image in images]
    icc = modes.usable_profile(opened.info.get("icc_profile") or b"", is_grey=False)
    header = still.describe(images[0], data, file_format)
    header["alpha_follows"] = header["has_alpha"]  # either all frames have an alpha channel or none
    header["icc_bytes"], header["exif_bytes"] = len(icc), len(tags.exif)
    header["dpi"] = list(tags.dpi) if tags.dpi else None
    header["milliseconds"], header["loop"] = milliseconds, count_loops(opened)
    return Decoded(header, parts(images, header, icc, tags.exif))


def check_pixels(opened: Image.Image, most_pixels: int) -> None:
    """Raise `DecompressionBombError` for too many frames, or for too many pixels of all frames together."""
    count: int = getattr(opened, "n_frames", 1)
    pixels = count * opened.width * opened.height
    if count > MOST_FRAMES or pixels > most_pixels:
        raise Image.DecompressionBombError(f"{count} frames of {opened.width} x {opened.height} pixels")
    cpu_budget.announce(pixels)


def parts(images: list[Image.Image], header: DecodedHeader, icc: bytes, exif: bytes) -> Iterator[bytes]:
    """Yield what follows the header of an animation."""
    for image in images:
        yield from still.planes(image, header)
    yield icc
    yield exif


def read_gif(opened: Image.Image, data: bytes) -> Iterator[tuple[Image.Image, int]]:
    """Yield frames in RGBA with their milliseconds."""
    pictures = read_pictures(data, MOST_FRAMES)
    durations = (picture.milliseconds for picture in pictures)
    return zip(gif.compose(pictures, opened.size), durations, strict=True)


def read_webp(opened: Image.Image) -> Iterator[tuple[Image.Image, int]]:
    """Yield frames in RGBA with their milliseconds. Pillow completes those that contain only what changed."""
    for index in range(getattr(opened, "n_frames", 1)):
        opened.seek(index)
        opened.load()
        yield opened.convert("RGBA"), round(opened.info["duration"])


def count_loops(opened: Image.Image) -> int | None:
    """Return how often the animation is played: 0 for ever, None if the file does not say, which means once.

    A GIF says how often it is repeated, which is one less.
    """
    loop: int | None = opened.info.get("loop")
    return loop + 1 if loop and opened.format == "GIF" else loop
