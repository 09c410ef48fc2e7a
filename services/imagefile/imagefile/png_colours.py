"""The chunks of a PNG that say what its samples mean: cICP, iCCP, sRGB, gAMA and cHRM (11.3.2).

The first of them in this order counts, and the last two count together. A broken one counts as missing.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from imagefile.colours import HDR, Colour, is_hdr_profile
from imagefile.png import PIXELS, sound_chunks

NUMBERS, PROFILE, SRGB, GAMMA, POINTS = b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"
LENGTHS = {NUMBERS: 4, GAMMA: 4, POINTS: 32, SRGB: 1}
HDR_PROFILE = b"ITUR_2100_PQ_FULL"
"""The name of a profile that stands for PQ, as in a note of the W3C."""
SMALLEST_GAMMA, LARGEST_GAMMA = 10_000, 1_000_000
"""Exponents between 10 and 0.1."""
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class PngColours:
    numbers: Colour | None = None
    """The code points of ITU-T H.273. None if they are missing, or if the samples are not RGB."""
    is_narrow: bool = False
    """Whether the numbers say that black is above 0, and white below the largest sample."""
    has_profile: bool = False
    is_srgb: bool = False
    exponent: float | None = None
    """The exponent that turns samples into light."""
    points: tuple[Point, ...] = ()
    """The chromaticities of red, green, blue and white. Empty if they are missing."""


def read(data: bytes) -> PngColours:
    """Return the facts that the chunks ahead of the pixels state. The first of two equal chunks counts."""
    found = dict[bytes, bytes]()
    for chunk in sound_chunks(data):
        if chunk.kind == PIXELS:
            break
        if chunk.kind == PROFILE or len(chunk.body) == LENGTHS.get(chunk.kind):
            found.setdefault(chunk.kind, bytes(chunk.body))
    numbers, is_narrow = _read_numbers(found)
    return PngColours(
        numbers,
        is_narrow,
        PROFILE in found,
        SRGB in found,
        _read_exponent(found),
        _read_points(found),
    )


def refusal(data: bytes, icc: bytes = b"") -> str:
    """Return why the samples cannot be upscaled, or an empty string. `icc` is the inflated profile."""
    colours = read(data)
    if colours.numbers:
        if colours.is_narrow:
            return "The image is of a kind that cannot be upscaled: PNG with samples of narrow range."
        return HDR if colours.numbers.is_hdr else ""
    return HDR if is_hdr_profile(icc) or _has_hdr_name(data) else ""


def _has_hdr_name(data: bytes) -> bool:
    chunks = sound_chunks(data)
    return any(
        chunk.kind == PROFILE and bytes(chunk.body).startswith(HDR_PROFILE + b"\0") for chunk in chunks
    )


def _read_numbers(found: Mapping[bytes, bytes]) -> tuple[Colour | None, bool]:
    if NUMBERS not in found:
        return None, False
    primaries, transfer, matrix, is_full = found[NUMBERS]
    if matrix != 0 or is_full > 1:
        return None, False
    return Colour(primaries, transfer, matrix), not is_full


def _read_exponent(found: Mapping[bytes, bytes]) -> float | None:
    [value] = struct.unpack(">I", found.get(GAMMA, bytes(4)))
    return 100_000 / value if SMALLEST_GAMMA <= value <= LARGEST_GAMMA else None


def _read_points(found: Mapping[bytes, bytes]) -> tuple[Point, ...]:
    if POINTS not in found:
        return ()
    values: Iterable[int] = struct.unpack(">8I", found[POINTS])
    white_x, white_y, *colours = (value / 100_000 for value in values)
    return (*zip(colours[::2], colours[1::2], strict=True), (white_x, white_y))
