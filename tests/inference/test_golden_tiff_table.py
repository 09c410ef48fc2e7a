"""The whole table of TIFFs: each cell is decoded to its computed colours, or refused at the door by its name.

The files are written byte by byte. tifffile reads a part of them, to show that they are as they should be.
"""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile

from common import errors
from images.formats.sniff import Header, sniff
from inference.decoding.decoders import decode
from inference.picture import Pixels
from tests.inference import tiff_files
from tests.inference.tiff_files import (
    BLACK_IS_ZERO,
    CIELAB,
    CMYK,
    JPEG,
    MASK,
    PALETTE,
    RGB,
    WEBP,
    WHITE_IS_ZERO,
    YCBCR,
    Kind,
    a_tiff,
)

Floats = npt.NDArray[np.float64]
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, MASK: 1, CMYK: 4, YCBCR: 3, CIELAB: 3}
EXTRA = [(), (0,), (1,), (2,), (0, 0), (2, 0), (0, 2)]
LAYOUTS: list[dict[str, Any]] = [{}, {"order": ">", "tile": (16, 16)}, {"fill_order": 2}]
FEW_BITS, SIZE = (1, 2, 4), (11, 19)
NOT_SUBSAMPLED = {530: (tiff_files.SHORT, (1, 1))}
DECODED = {
    (bits, photometric)
    for bits, kinds in {
        **dict.fromkeys(FEW_BITS, (WHITE_IS_ZERO, BLACK_IS_ZERO, PALETTE)),
        8: (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, CIELAB),
        16: (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, CMYK),
    }.items()
    for photometric in kinds
}
"""Bits and photometric interpretations that are decoded if the file has no further channels."""


def refused(text: str) -> str:
    return f"The image is of a kind that cannot be upscaled: {text}."


def kinds(bits: int, photometric: int) -> Iterator[Kind]:
    compressions = [*tiff_files.COMPRESSIONS, WEBP, tiff_files.PACKBITS]
    for planes, extra, compression, layout in product((1, 2), EXTRA, compressions, LAYOUTS):
        if extra and compression not in (tiff_files.NONE, tiff_files.DEFLATE):
            continue
        if compression == WEBP and (bits != 8 or COLOURS[photometric] + len(extra) not in (3, 4)):
            continue
        kind = Kind(
            bits=bits, photometric=photometric, planes=planes, extra=extra, compression=compression, **layout
        )
        kind = replace(kind, colours=a_colour_map(bits)) if photometric == PALETTE else kind
        yield replace(kind, other_tags=NOT_SUBSAMPLED) if photometric == YCBCR else kind
        if bits in (8, 16) and compression in (tiff_files.LZW, tiff_files.DEFLATE, tiff_files.LZMA):
            yield replace(kind, predictor=2, other_tags=NOT_SUBSAMPLED if photometric == YCBCR else {})


def a_colour_map(bits: int) -> Pixels:
    return np.random.default_rng(bits).integers(256, 2**16, (3, 2 ** min(bits, 8)), np.uint16)


def some_samples(kind: Kind) -> Pixels:
    most, random = 2**kind.bits - 1, np.random.default_rng(7)
    letter = "u1" if kind.bits <= 8 else "u2" if kind.bits <= 16 else "u4"
    channels = COLOURS[kind.photometric] + len(kind.extra)
    samples = random.integers(0, most, (*SIZE, channels), endpoint=True).astype(letter)
    if kind.photometric == CIELAB:  # colours that sRGB has
        down, across = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
        lab = [80 + across * 6, (down - 5) % 256, ((across - 9) // 2) % 256]
        samples[:, :, :3] = np.stack(lab, axis=2) * (1 if kind.bits <= 8 else 256)
    if kind.extra[:1] == (1,):
        alpha = random.integers(most // 2, most, SIZE, endpoint=True) / most
        colours = samples[:, :, : COLOURS[kind.photometric]]
        colours[:] = np.rint(colours * alpha[:, :, np.newaxis]).astype(letter)
        samples[:, :, COLOURS[kind.photometric]] = np.rint(alpha * most)
    return samples


def truth(samples: Pixels, kind: Kind) -> tuple[Floats, Floats | None]:
    """Return the colours, and alpha if there is any, from 0 to 1."""
    count, most = COLOURS[kind.photometric], 2**kind.bits - 1
    values = samples[:, :, :count] / most
    match kind.photometric:
        case tiff_files.WHITE_IS_ZERO:
            values = 1 - values
        case tiff_files.PALETTE:
            assert kind.colours is not None
            values = kind.colours.T[samples[:, :, 0]] / 65535
        case tiff_files.CMYK:
            values = (1 - values[:, :, :3]) * (1 - values[:, :, 3:])
        case tiff_files.YCBCR:
            matrix = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])
            values = ((values - np.array([0, 128, 128]) / 255) @ matrix.T).clip(0, 1)
        case tiff_files.CIELAB:
            values = srgb_of_lab(samples)
        case _:
            pass
    if kind.extra[:1] not in ((1,), (2,)):
        return values, None
    alpha = samples[:, :, count] / most
    return (values / alpha[:, :, np.newaxis]).clip(0, 1) if kind.extra[0] == 1 else values, alpha


def srgb_of_lab(samples: Pixels) -> Floats:
    """Return the sRGB of CIELab of 8 bits, by CIE 15, IEC 61966-2-1 and Bradford's matrix."""
    lightness = (samples[:, :, 0] / 2.55 + 16) / 116
    a, b = (samples[:, :, index].astype(np.int8) for index in (1, 2))
    cubes = np.stack([lightness + a / 500, lightness, lightness - b / 200], axis=2)
    xyz = np.where(cubes > 6 / 29, cubes**3, 3 * (6 / 29) ** 2 * (cubes - 4 / 29)) * [0.9642, 1, 0.8249]
    to_linear = [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.033454]]
    linear = (xyz @ np.array([*to_linear, [0.0719453, -0.2289914, 1.4052427]]).T).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def decoded(data: bytes) -> tuple[Header, Floats, Floats | None]:
    """Return the header at the door, the colours, and alpha if there is any, from 0 to 1."""
    header = sniff(data, largest_pixels=1_000_000)
    found = decode(data, 1_000_000)
    facts, stored = found.header, b"".join(found.parts)
    depth, channels, alpha = facts["depth"], facts["channels"], None
    shape = (facts["height"], facts["width"], channels)
    dtype = np.dtype(f"u{depth // 8}")
    count = shape[0] * shape[1]
    colours = np.frombuffer(stored, dtype, count * channels).reshape(shape) / (2**depth - 1)
    if depth == 16 and facts["has_alpha"]:
        colours, alpha = colours[:, :, :-1], colours[:, :, -1]
    elif facts["alpha_follows"]:
        alpha = np.frombuffer(stored, dtype, count, count * channels).reshape(shape[:2]) / 255
    assert (header.width, header.height) == (shape[1], shape[0])
    assert header.has_alpha == (alpha is not None)
    return header, colours, alpha


def assert_right(data: bytes, samples: Pixels, kind: Kind, tolerance: float = 1.6) -> None:
    colours, alpha = truth(samples, kind)
    _, found, found_alpha = decoded(data)
    if found.shape[2] != colours.shape[2]:  # a palette of greys, or greys as RGB
        found, colours = (np.broadcast_to(each, (*SIZE, 3)) for each in (found, colours))
    assert np.abs(found - colours).max() * 255 < tolerance, kind
    assert (alpha is None) == (found_alpha is None), kind
    assert alpha is None or found_alpha is None or np.abs(found_alpha - alpha).max() * 255 < 0.6, kind


@pytest.mark.parametrize("photometric", COLOURS)
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 24, 32])
def test_each_cell_is_right_or_refused_at_the_door_by_its_name(bits: int, photometric: int) -> None:
    outcomes, reasons = Counter[bool](), set[str]()
    for kind in kinds(bits, photometric):
        samples = some_samples(kind)
        data = a_tiff(samples, kind)
        try:
            sniff(data, largest_pixels=1_000_000)
        except errors.InvalidArgument as refusal:
            outcomes[False] += 1
            reasons.add(refusal.fields["image"][0])
            continue
        assert_right(data, samples, kind, 5 if photometric == CIELAB else 1.6)
        outcomes[True] += 1

    assert (outcomes[True] > 0) == ((bits, photometric) in DECODED)
    assert all(reason.startswith(refused("")[:-1] + "a TIFF ") for reason in reasons), reasons
    if not outcomes[True] and bits not in (*FEW_BITS, 8, 16):
        assert reasons == {refused(f"a TIFF of {bits} bits a sample")}


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("is_big", [False, True])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_tifffile_reads_the_samples_that_were_written(
    bits: int, planes: int, order: str, is_big: bool, tile: tuple[int, int] | None
) -> None:
    kind = Kind(bits=bits, photometric=RGB, planes=planes, order=order, is_big=is_big, tile=tile)
    samples = some_samples(kind)

    for compression, predictor in ((tiff_files.NONE, 1), (tiff_files.DEFLATE, 1), (tiff_files.LZMA, 1)):
        stored = replace(kind, compression=compression, predictor=predictor)
        found = tifffile.imread(io.BytesIO(a_tiff(samples, stored)))

        assert np.array_equal(found if planes == 1 else found.transpose(1, 2, 0), samples)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [1, 4, 8, 16])
@pytest.mark.parametrize("photometric", [BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR])
def test_a_big_tiff_is_read_in_either_byte_order(order: str, bits: int, photometric: int) -> None:
    if (bits, photometric) not in DECODED:
        return
    colours = a_colour_map(bits) if photometric == PALETTE else None
    for compression, tile in product(tiff_files.COMPRESSIONS, (None, (16, 16))):
        if compression != tiff_files.ZSTD:
            kind = Kind(bits=bits, photometric=photometric, order=order, is_big=True, colours=colours)
            kind = replace(kind, compression=compression, tile=tile, other_tags=NOT_SUBSAMPLED)
            samples = some_samples(kind)
            assert_right(a_tiff(samples, kind), samples, kind)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_colour_map_without_a_value_of_256_holds_colours_of_8_bits(bits: int, order: str) -> None:
    colours = np.random.default_rng(bits).integers(0, 256, (3, 2**bits), np.uint16)
    kind = Kind(bits=bits, photometric=PALETTE, order=order, colours=colours)
    samples = some_samples(kind)

    data = a_tiff(samples, kind)

    assert_right(data, samples, replace(kind, colours=colours * 257), 0.1)


def test_one_value_of_256_makes_all_of_a_colour_map_dark() -> None:
    colours = np.full((3, 256), 255, np.uint16)
    colours[1, 77] = 256
    kind = Kind(photometric=PALETTE, colours=colours)
    samples = some_samples(kind)

    assert_right(a_tiff(samples, kind), samples, kind)


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2), (1, 2), (4, 2)])
@pytest.mark.parametrize("compression", [tiff_files.NONE, tiff_files.LZW, tiff_files.DEFLATE])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_subsampled_ycbcr_is_read(
    subsampling: tuple[int, int], compression: int, tile: tuple[int, int] | None
) -> None:
    across, down = subsampling
    y, x = np.mgrid[0 : SIZE[0] + 1, 0 : SIZE[1] + 5]
    samples = np.stack([40 + x * 4, 100 + y // down * down, 160 - x // across * across], axis=2)
    tags: dict[int, tuple[int, tuple[float, ...]]] = {530: (tiff_files.SHORT, subsampling)}
    kind = Kind(photometric=YCBCR, compression=compression, rows=8, tile=tile, other_tags=tags)

    data = a_tiff(samples.astype(np.uint8), replace(kind, subsampling=subsampling))
    _, found, _ = decoded(data)

    assert np.abs(found - truth(samples.astype(np.uint8), kind)[0]).max() * 255 < 1.6


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_at_the_door_is_that_of_the_upright_picture(bits: int, orientation: int) -> None:
    kind = Kind(bits=bits, photometric=RGB, orientation=orientation)

    header = sniff(a_tiff(some_samples(kind), kind), largest_pixels=1_000_000)

    assert (header.width, header.height) == (SIZE[::-1] if orientation < 5 else SIZE)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Kind(sample_format=tiff_files.SIGNED), "a TIFF of signed or floating-point samples"),
        (Kind(bits=16, sample_format=tiff_files.FLOAT), "a TIFF of signed or floating-point samples"),
        (Kind(bits=32, sample_format=tiff_files.FLOAT), "a TIFF of 32 bits a sample"),
        (Kind(bits=64, sample_format=tiff_files.FLOAT), "a TIFF of 64 bits a sample"),
        (Kind(bits=1, photometric=MASK), "a TIFF in a transparency mask of 1 bits a sample"),
        (Kind(photometric=CIELAB, planes=2), "a TIFF in CIELab of 8 bits a sample, in separate planes"),
        (Kind(photometric=CMYK, extra=(2,)), "a TIFF in CMYK of 8 bits a sample, with alpha"),
        (Kind(photometric=PALETTE), "a TIFF with a colour map of 0 values"),
        (Kind(compression=tiff_files.ZSTD), "a TIFF of 8 bits a sample with compression 50000 (ZSTD)"),
        (Kind(other_tags={258: (3, (5,))}), "a TIFF of 5 bits a sample"),
        (Kind(photometric=RGB, other_tags={258: (3, (5, 6, 5))}), "a TIFF whose channels differ in bits"),
        (Kind(other_tags={50706: (4, (1,))}), "a camera's raw picture"),
        (Kind(other_tags={32997: (4, (3,))}), "a TIFF of 3 layers in one picture (ImageDepth)"),
        (
            Kind(other_tags={259: (3, (6,))}),
            "a TIFF with compression 6 (old JPEG) in other colours than YCbCr",
        ),
        (Kind(other_tags={262: (3, (9,))}), "a TIFF in ICCLab of 8 bits a sample"),
    ],
)
def test_what_is_not_read_is_refused_by_its_name(kind: Kind, text: str) -> None:
    samples = np.ones((*SIZE, COLOURS[kind.photometric] + len(kind.extra)), np.uint8)

    with pytest.raises(errors.InvalidArgument) as caught:
        sniff(a_tiff(samples, kind), largest_pixels=1_000_000)

    assert caught.value.fields["image"] == [refused(text)]


def test_jpeg_of_a_palette_is_refused_by_its_name() -> None:
    kind = Kind(photometric=PALETTE, compression=JPEG, colours=a_colour_map(8))

    with pytest.raises(errors.InvalidArgument) as caught:
        sniff(a_tiff(some_samples(kind), kind), largest_pixels=1_000_000)

    assert caught.value.fields["image"] == [refused("a TIFF with a palette and compression by JPEG")]
