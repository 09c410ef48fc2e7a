"""The facts about an uploaded file, and their way from the parsing child, whose answers are not trusted."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from imagefile.formats import READABLE, Format, identify, parse_format
from imagefile.gif import MOST_FRAMES
from images.formats.sequences import NO_SEQUENCE, Sequence, check_sequence

LONGEST_REFUSAL = 500


class Refused(Exception):
    """The file cannot be upscaled. Its text is for the client."""


USUAL_BYTES = 192 << 20
"""A progressive JPEG takes 96 MiB for its coefficients, beside the file and Python."""
TOO_MUCH = "The image takes too much time or memory to read."


@dataclass(frozen=True, slots=True)
class Limits:
    """The files that a child accepts, and the memory that it may use."""

    largest_pixels: int
    accepted: tuple[Format, ...] | list[Format] = ()

    @property
    def memory_bytes(self) -> int:
        """The most address space for any file. libwebp reserves two whole pictures, and does not use them."""
        return USUAL_BYTES + 2 * 4 * self.largest_pixels

    def memory_for(self, data: bytes) -> int:
        """Return the address space for this file."""
        return self.memory_bytes if identify(data) == "WEBP" else USUAL_BYTES


@dataclass(frozen=True, slots=True)
class Header:
    """The facts about a file that are known without decoding it."""

    format: Format
    width: int
    """Pixels, after the EXIF orientation is applied."""
    height: int
    frames: int = 1
    """Frames of an animated GIF or WebP."""
    is_lossy: bool = False
    is_worn: bool = False
    """Whether traces of lossy compression are visible, so that `auto` chooses another model."""
    depth: int = 8
    """Bits of a sample, for a format that can become one with fewer."""
    has_alpha: bool = False
    """Whether there is an alpha channel or a transparent colour, even if it hides nothing."""
    sequence: Sequence = NO_SEQUENCE
    """The pages of a TIFF, or the frames of an animated PNG."""


def too_large_text(largest_bytes: int) -> str:
    return f"The image may not be greater than {largest_bytes >> 20} MB."


def check_pixels(pixels: int, largest_pixels: int) -> None:
    """Raise `Refused` if a picture has more pixels than the limit."""
    if pixels > largest_pixels:
        raise Refused(f"The image may not have more than {largest_pixels / 1e6:g} megapixels.")


def check_header(
    answer: Mapping[str, Any], *, largest_pixels: int, accepted: Collection[Format] = ()
) -> Header:
    """Return the header that the child has sent. Raise `ValueError` unless an honest child can send it."""
    kinds = {"format": str, "sequence": dict, **_plain_kinds()}
    if set(answer) != set(kinds):
        raise ValueError("the header lacks a field, or has an unknown one")
    for name, kind in kinds.items():
        if type(answer[name]) is not kind:
            raise ValueError(f"{name} is no {kind.__name__}")
    file_format = parse_format(answer["format"])
    sequence = check_sequence(answer["sequence"], largest_pixels=largest_pixels)
    values: dict[str, Any] = {**answer, "format": file_format, "sequence": sequence}
    header = Header(**values)
    if header.format not in (accepted or READABLE):
        raise ValueError(f"{header.format} is not accepted")
    if not (header.width > 0 and header.height > 0 and 0 < header.frames <= MOST_FRAMES):
        raise ValueError("a size or the number of frames is impossible")
    if header.width * header.height * header.frames > largest_pixels or not 0 < header.depth <= 64:
        raise ValueError("the picture has too many pixels or bits")
    return header


def check_refusal(text: Any) -> str:
    """Return the child's refusal. Raise `ValueError` for anything but a line of text."""
    if not isinstance(text, str) or not text.isprintable() or not 0 < len(text) <= LONGEST_REFUSAL:
        raise ValueError("the refusal is no line of text")
    return text


def _plain_kinds() -> Mapping[str, type]:
    hints = get_type_hints(Header)
    return {
        field.name: hints[field.name] for field in fields(Header) if field.name not in ("format", "sequence")
    }
