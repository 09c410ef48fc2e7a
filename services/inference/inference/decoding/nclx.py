"""Makes the colour profile that says what the code points of ITU-T H.273 mean, in the decoding child.

HEIF and AVIF files name their colours by these numbers (`nclx`), but results name them by a profile: a matrix
and a curve (ICC.1:2022).
"""

import struct

from imagefile.colours import Colour
from inference.decoding.modes import Unsupported

Row = tuple[float, float, float]
Matrix = tuple[Row, Row, Row]
Chromaticity = tuple[float, float]

D65, D50_XYZ = (0.3127, 0.329), (0.9642, 1.0, 0.8249)
C, DCI, E = (0.31, 0.316), (0.314, 0.351), (1 / 3, 1 / 3)
PRIMARIES: dict[int, tuple[Chromaticity, Chromaticity, Chromaticity, Chromaticity]] = {
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),
    6: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), D65),
    7: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07), D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), C),
    9: ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046), D65),
    10: ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0), E),
    11: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), DCI),
    12: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), D65),
    22: ((0.63, 0.34), (0.295, 0.605), (0.155, 0.077), D65),
}
"""Red, green, blue and white, except those that sRGB has too."""
BT709 = ((0.64, 0.33), (0.3, 0.6), (0.15, 0.06), D65)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
BT709_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
CURVES: dict[int, tuple[float, ...]] = {
    1: BT709_CURVE, 6: BT709_CURVE, 14: BT709_CURVE, 15: BT709_CURVE,
    2: SRGB_CURVE, 13: SRGB_CURVE, 4: (2.2,), 5: (2.8,), 8: (1.0,), 17: (2.6,),
}  # fmt: skip
"""Parameters of a parametric curve: of type 3, or of type 0 if there is only the exponent."""
PLAIN_PRIMARIES, PLAIN_TRANSFERS = (0, 1, 2), (0, 1, 2, 6, 13, 14, 15)
"""Numbers that mean sRGB, or nothing. Viewers show the curve of BT.709 as if it were that of sRGB."""
BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


def profile(colour: Colour | None, *, is_grey: bool) -> bytes:
    """Return the profile; no bytes for sRGB. Raise `Unsupported` for HDR and unknown numbers."""
    if colour is None or (colour.primaries in PLAIN_PRIMARIES and colour.transfer in PLAIN_TRANSFERS):
        return b""
    if not is_known(colour):
        numbers = f"colour primaries {colour.primaries} and transfer characteristics {colour.transfer}"
        raise Unsupported(f"a picture with {numbers}")
    if is_grey:
        is_plain = colour.transfer in PLAIN_TRANSFERS
        return b"" if is_plain else write_profile(f"H.273 {colour.transfer}", [], CURVES[colour.transfer])
    columns = zip(*to_d50(PRIMARIES.get(colour.primaries, BT709)), strict=True)
    curve = CURVES[colour.transfer]
    name = f"H.273 {colour.primaries}-{colour.transfer}"
    return write_profile(name, [*columns], curve)


def is_known(colour: Colour) -> bool:
    is_known_space = colour.primaries in PRIMARIES or colour.primaries in PLAIN_PRIMARIES
    return is_known_space and colour.transfer in CURVES


def to_d50(chromaticities: tuple[Chromaticity, Chromaticity, Chromaticity, Chromaticity]) -> Matrix:
    """Return the matrix from linear RGB to XYZ of D50, the white of all profiles, adapted by Bradford."""
    *colours, white = (xyz(each) for each in chromaticities)
    unscaled: Matrix = tuple(zip(*colours, strict=True))  # type: ignore[assignment]
    weights = apply(inverse(unscaled), white)
    matrix: Matrix = tuple(  # type: ignore[assignment]
        tuple(value * weight for value, weight in zip(row, weights, strict=True)) for row in unscaled
    )
    before, after = apply(BRADFORD, white), apply(BRADFORD, D50_XYZ)
    gains = [end / start for start, end in zip(before, after, strict=True)]
    scaled: Matrix = tuple(  # type: ignore[assignment]
        tuple(gain * value for value in row) for gain, row in zip(gains, BRADFORD, strict=True)
    )
    return multiply(inverse(BRADFORD), multiply(scaled, matrix))


def xyz(point: Chromaticity) -> Row:
    """Return the colour of luminance 1. A point without luminance has X, Y and Z that add up to 1."""
    x, y = point
    return (x / y, 1.0, (1 - x - y) / y) if y else (x, y, 1 - x - y)


def apply(matrix: Matrix, vector: Row) -> Row:
    first, second, third = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return first, second, third


def multiply(left: Matrix, right: Matrix) -> Matrix:
    first, second, third = (apply(left, column) for column in zip(*right, strict=True))
    rows = zip(first, second, third, strict=True)
    return next(rows), next(rows), next(rows)


def inverse(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    factor = 1 / (a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))
    return (
        ((e * i - f * h) * factor, (c * h - b * i) * factor, (b * f - c * e) * factor),
        ((f * g - d * i) * factor, (a * i - c * g) * factor, (c * d - a * f) * factor),
        ((d * h - e * g) * factor, (b * g - a * h) * factor, (a * e - b * d) * factor),
    )


def write_profile(name: str, columns: list[Row], curve: tuple[float, ...]) -> bytes:
    """Return a display profile of version 4 with the same curve for red, green and blue.

    Without `columns` it is a profile for grey.
    """
    parametric = struct.pack(">4sIHH", b"para", 0, 3 if len(curve) > 1 else 0, 0) + fixed(*curve)
    tags = [(b"desc", text(name)), (b"cprt", text("No copyright, use freely")), (b"wtpt", point(D50_XYZ))]
    tags += [
        (kind, point(column)) for kind, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=False)
    ]
    tags += [(kind, parametric) for kind in ((b"rTRC", b"gTRC", b"bTRC") if columns else (b"kTRC",))]
    directory, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for kind, content in tags:
        directory += struct.pack(">4sII", kind, start + len(body), len(content))
        body += content.ljust(-(-len(content) // 4) * 4, b"\0")
    size = start + len(body)
    header = struct.pack(
        ">I4sI4s4s4s12x4s",
        size,
        b"\0\0\0\0",
        0x04400000,
        b"mntr",
        b"RGB " if columns else b"GRAY",
        b"XYZ ",
        b"acsp",
    )
    header = header.ljust(68, b"\0") + fixed(*D50_XYZ)
    return header.ljust(128, b"\0") + directory + body


def fixed(*values: float) -> bytes:
    """Return the numbers in 16 bits before and 16 bits after the point."""
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def point(values: Row) -> bytes:
    return b"XYZ \0\0\0\0" + fixed(*values)


def text(value: str) -> bytes:
    encoded = value.encode("utf-16-be")
    return struct.pack(">4sIII4sII", b"mluc", 0, 1, 12, b"enUS", len(encoded), 28) + encoded
