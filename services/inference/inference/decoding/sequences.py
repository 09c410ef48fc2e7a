"""Decodes the pages of a TIFF and the frames of an animated PNG, in the decoding child, one after the other.

The answer begins as for the first picture alone. What follows is one answer for each other picture: its
header with its parts, or a refusal if it is damaged. So only one picture is in memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from confinement import child
from imagefile import apng, png, tiff_pages
from imagefile.apng import Apng, Frame
from imagefile.formats import Format
from inference import metadata
from inference.decoding import cpu_budget, sixteen_bit, still, tiff
from inference.decoding.protocol import (
    CanvasHeader,
    Decoded,
    FrameHeader,
    Refusal,
)

DAMAGED = "corrupt_image"
DecodeNext = Callable[[], Decoded]
"""Decodes one more picture. It may raise any error."""


def read(first: Decoded, data: bytes, file_format: Format, most_pixels: int) -> Decoded:
    """Add all other pictures to the answer for the first. They are left out if they are too many."""
    return READERS[file_format](first, data, most_pixels)


def read_pages(first: Decoded, data: bytes, most_pixels: int) -> Decoded:
    pages = tiff_pages.read_pages(data).readable
    if len(pages) > tiff_pages.MOST_PAGES or sum(each.width * each.height for each in pages) > most_pixels:
        return first
    cpu_budget.announce(sum(page.width * page.height for page in pages))
    return followed(
        first, [partial(tiff.read_directory, data, page.directory, most_pixels) for page in pages[1:]]
    )


def read_frames(first: Decoded, data: bytes, most_pixels: int) -> Decoded:
    animation = apng.read(data)
    if not animation or not animation.frames:
        return first
    if animation.pictures * animation.width * animation.height > most_pixels:
        return first
    cpu_budget.announce(animation.pictures * animation.width * animation.height)
    others = [partial(read_frame, animation, frame, most_pixels) for frame in animation.frames]
    first.header["canvas"] = CanvasHeader(
        width=animation.width,
        height=animation.height,
        orientation=orientation_of(data, most_pixels),
        plays=animation.plays,
        is_still_hidden=animation.is_still_hidden,
    )
    return followed(first, others)


READERS: Mapping[Format, Callable[[Decoded, bytes, int], Decoded]] = {"TIFF": read_pages, "PNG": read_frames}


def read_frame(animation: Apng, frame: Frame, most_pixels: int) -> Decoded:
    """Decode one frame as it is stored, not composed and not turned upright."""
    data = animation.file_of(frame)
    read_png = sixteen_bit.read_png if png.bit_depth(data) == 16 else still.read
    decoded = read_png(data, "PNG", most_pixels)
    decoded.header["frame"] = FrameHeader(
        left=frame.left,
        top=frame.top,
        milliseconds=frame.milliseconds,
        disposal=frame.disposal,
        blending=frame.blending,
    )
    return decoded


def orientation_of(data: bytes, most_pixels: int) -> int:
    """Return the orientation of all frames, which stands in the metadata of the file."""
    opened = still.open_image(png.for_decoder(data), "PNG", most_pixels)
    return metadata.read_orientation(opened)


def followed(first: Decoded, others: Sequence[DecodeNext]) -> Decoded:
    if not others:
        return first
    first.header["follow"] = len(others)
    return Decoded(first.header, parts(first, others))


def parts(first: Decoded, others: Sequence[DecodeNext]) -> Iterator[bytes]:
    yield from first.parts
    for decode_next in others:
        try:
            decoded = decode_next()
        except Exception as error:  # noqa: BLE001  a damaged picture may cause any error
            yield child.encoded(Refusal(reason=DAMAGED, message=f"{type(error).__name__}: {error}"[:300]))
        else:
            yield child.encoded(decoded.header)
            yield from decoded.parts
