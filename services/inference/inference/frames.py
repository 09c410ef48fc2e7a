"""Animated GIF and WebP in the decoding child: every frame as it is seen, not as it is stored."""

from dataclasses import dataclass

from PIL import Image

MOST_FRAMES = 2000
USUAL_MILLISECONDS = 100


@dataclass(frozen=True, slots=True)
class Frames:
    images: list[Image.Image]
    """All RGB, or all RGBA."""
    milliseconds: list[int]
    loop: int | None
    """How often it is played, 0 for ever; None: the file does not say, which means once."""


def are_many(opened: Image.Image) -> bool:
    return opened.format in ("GIF", "WEBP") and getattr(opened, "is_animated", False)


def read(opened: Image.Image, most_pixels: int, transpose: Image.Transpose | None = None) -> Frames:
    """Pillow puts together what only tells its difference to the frame before; a frame that reaches beyond
    the canvas makes it larger, and is cut to it.
    """
    count: int = getattr(opened, "n_frames", 1)
    canvas = (0, 0, opened.width, opened.height)
    pixels = count * opened.width * opened.height
    if count > MOST_FRAMES or pixels > most_pixels:
        raise Image.DecompressionBombError(f"{count} frames of {opened.width} x {opened.height} pixels")
    images: list[Image.Image] = []
    milliseconds: list[int] = []
    for index in range(count):
        opened.seek(index)
        opened.load()
        image = opened.convert("RGBA").crop(canvas)
        images.append(image if transpose is None else image.transpose(transpose))
        milliseconds.append(round(opened.info.get("duration", USUAL_MILLISECONDS)))
    if all(image.getchannel("A").getextrema() == (255, 255) for image in images):
        images = [image.convert("RGB") for image in images]
    return Frames(images, milliseconds, opened.info.get("loop"))
