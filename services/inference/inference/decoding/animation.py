"""Animated GIF and WebP in the decoding child: every frame as it is seen, not as it is stored."""

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from inference.decoding import gif

MOST_FRAMES = 2000


@dataclass(frozen=True, slots=True)
class Frames:
    images: list[Image.Image]
    """All RGB, or all RGBA."""
    milliseconds: list[int]
    loop: int | None
    """How often it is played, 0 for ever; None: the file does not say, which means once."""


def are_many(opened: Image.Image) -> bool:
    return opened.format in ("GIF", "WEBP") and getattr(opened, "is_animated", False)


def read(
    opened: Image.Image, data: bytes, most_pixels: int, transpose: Image.Transpose | None = None
) -> Frames:
    """All RGB where nothing of any can be seen through."""
    count: int = getattr(opened, "n_frames", 1)
    pixels = count * opened.width * opened.height
    if count > MOST_FRAMES or pixels > most_pixels:
        raise Image.DecompressionBombError(f"{count} frames of {opened.width} x {opened.height} pixels")
    images: list[Image.Image] = []
    milliseconds: list[int] = []
    for image, duration in of_gif(opened, data) if opened.format == "GIF" else of_webp(opened):
        images.append(image if transpose is None else image.transpose(transpose))
        milliseconds.append(duration)
    if all(image.getchannel("A").getextrema() == (255, 255) for image in images):
        images = [image.convert("RGB") for image in images]
    return Frames(images, milliseconds, played(opened))


def of_gif(opened: Image.Image, data: bytes) -> Iterator[tuple[Image.Image, int]]:
    parts = gif.parts_of(data, MOST_FRAMES)
    return zip(gif.seen(parts, opened.size), (part.milliseconds for part in parts), strict=True)


def of_webp(opened: Image.Image) -> Iterator[tuple[Image.Image, int]]:
    """Pillow puts together what only tells its difference to the frame before."""
    for index in range(getattr(opened, "n_frames", 1)):
        opened.seek(index)
        opened.load()
        yield opened.convert("RGBA"), round(opened.info["duration"])


def played(opened: Image.Image) -> int | None:
    """A GIF tells how often it is played again."""
    loop: int | None = opened.info.get("loop")
    return loop + 1 if loop and opened.format == "GIF" else loop
