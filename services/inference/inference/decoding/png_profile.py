"""Makes the profile that says what the samples of a PNG mean, in the decoding child.

The result gets it as an embedded profile. Samples stay as they are, so nothing is lost by a conversion.
"""

from imagefile import png_colours
from imagefile.png_colours import Point
from inference.decoding import modes, nclx
from inference.decoding.modes import Unsupported

SRGB_EXPONENT, NEAR = 2.2, 0.05
"""The exponent that writers state for sRGB, and by how much of itself it may differ, both as in libpng."""
NEAR_POINT = 0.002
SMALLEST_AREA = 0.001
"""The triangle of red, green and blue is larger in any colour space."""


def profile(data: bytes, icc: bytes, *, is_grey: bool) -> bytes:
    """Return the profile; no bytes for sRGB. `icc` is the embedded one.

    Raise `Unsupported` for HDR.
    """
    if problem := png_colours.refusal(data, icc):
        raise Unsupported(problem)
    colours = png_colours.read(data)
    if colours.numbers and nclx.is_known(colours.numbers):
        return nclx.profile(colours.numbers, is_grey=is_grey)
    icc = modes.usable_profile(icc, is_grey=is_grey)
    if icc or colours.is_srgb:
        return icc
    points = () if is_grey or is_srgb(colours.points) or not is_triangle(colours.points) else colours.points
    if colours.exponent is None or (not points and is_near(colours.exponent)):
        curve = nclx.SRGB_CURVE
    else:
        curve = (colours.exponent,)
    if not points and curve == nclx.SRGB_CURVE:
        return b""
    if is_grey:
        return nclx.write_profile("PNG gAMA", [], curve)
    red, green, blue, white = points or nclx.BT709
    return nclx.write_profile(
        "PNG gAMA cHRM", [*zip(*nclx.to_d50((red, green, blue, white)), strict=True)], curve
    )


def is_near(exponent: float) -> bool:
    return abs(exponent / SRGB_EXPONENT - 1) < NEAR


def is_srgb(points: tuple[Point, ...]) -> bool:
    return bool(points) and all(
        abs(value - expected) <= NEAR_POINT
        for point, known in zip(points, nclx.BT709, strict=True)
        for value, expected in zip(point, known, strict=True)
    )


def is_triangle(points: tuple[Point, ...]) -> bool:
    """Return whether the white point lies within a triangle of red, green and blue."""
    if not points:
        return False
    red, green, blue, white = points
    area = doubled_area(red, green, blue)
    parts = (
        doubled_area(red, green, white),
        doubled_area(green, blue, white),
        doubled_area(blue, red, white),
    )
    is_plausible = all(x >= 0 and y >= 0 and x + y <= 1 for x, y in points) and white[1] > 0
    return is_plausible and abs(area) > SMALLEST_AREA and all(part * area > 0 for part in parts)


def doubled_area(one: Point, two: Point, three: Point) -> float:
    return (two[0] - one[0]) * (three[1] - one[1]) - (three[0] - one[0]) * (two[1] - one[1])
