"""The picture of a HEIF or AVIF file: size, depth, alpha and colour, from its boxes (ISO/IEC 23008-12)."""

import math
import struct
from collections import Counter
from dataclasses import dataclass

from imagefile import av1
from imagefile.colours import HDR, Colour
from imagefile.isobmff import Box, Item, Items, find, read_items

ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")
DERIVED = (b"grid", b"iden", b"iovl")
"""Kinds of items that are made from others: tiles, one picture with more transformations, an overlay."""
HEVC, AV1 = (b"hvc1", b"hev1"), (b"av01",)
"""Kinds of items that hold coded pixels."""
DEEPEST = 4
"""The most levels of items that are made from each other."""
MOST_TILES = 2_000
MOST_ALPHAS = 16
MOST_HEADER_BYTES = 4_096
"""Bytes of coded pixels in which a size is looked for."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The facts about a file that are known without decoding it."""

    width: int
    """Upright, and cut to the clean aperture."""
    height: int
    is_sideways: bool
    """Whether it is stored turned by a quarter."""
    coding: bytes
    """The kind of the coded item, such as `hvc1`."""
    depth: int = 8
    has_alpha: bool = False
    is_premultiplied: bool = False
    """Whether the colours are multiplied by the alpha channel (ISO/IEC 23008-12, 6.10.1.2)."""
    is_grey: bool = False
    """Whether an AVIF has no colours."""
    colour: Colour | None = None
    coded_pixels: int = 0
    """Pixels of all tiles together."""
    is_whole: bool = True
    """Whether all bytes of the picture and its alpha channel are in the file."""

    @property
    def is_hdr(self) -> bool:
        return self.colour is not None and self.colour.is_hdr


def summarise(data: bytes) -> Summary:
    """Return the facts about the primary picture. Raise `ValueError` or another error if it is damaged."""
    found = read_items(data)
    primary = found.items[found.primary]
    coded = _coded_items(found, found.primary)
    if primary.kind == b"grid":
        _check_grid(data, primary, [found.items[each] for each in coded])
    for each in coded:
        _check_coded_size(data, found.items[each])
    alphas = [
        source for source in found.sources(b"auxl", found.primary) if _is_alpha(data, found.items[source])
    ]
    if len(alphas) > MOST_ALPHAS:
        raise ValueError(f"more than {MOST_ALPHAS} alpha channels")
    first = found.items[coded[0]]
    needed = {found.primary, *coded, *alphas}  # each once, however often it is named
    for alpha in alphas:
        needed.update(_coded_items(found, alpha))
    sides = {each: _size(data, found.items[each]) for each in set(coded)}
    return Summary(
        *_upright_size(data, primary),
        is_sideways=_is_sideways(data, primary),
        coding=first.kind,
        depth=_depth(data, primary) or _depth(data, first) or 8,
        has_alpha=bool(alphas),
        is_premultiplied=any(each in alphas for each in found.targets(b"prem", found.primary)),
        is_grey=_is_grey(data, first),
        colour=_colour(data, primary) or _colour(data, first),
        coded_pixels=sum(math.prod(sides[each]) * count for each, count in Counter(coded).items()),
        is_whole=all(
            start + length <= len(data) for each in needed for start, length in found.items[each].extents
        )
        and all(found.items[each].extents for each in coded),
    )


def refusal(summary: Summary, codings: tuple[bytes, ...]) -> str:
    """Return why the picture cannot be decoded, or an empty string. `codings` are those of the format."""
    if summary.is_hdr:
        return HDR
    if summary.coding not in codings:
        return f"Pictures coded as {summary.coding.decode('latin-1')!a} cannot be upscaled."
    return ""


def unsupported_feature(data: bytes) -> str:
    """Return the feature that no decoder here supports, or an empty string."""
    has_tracks_alone = find(data, b"meta") is None and find(data, b"moov") is not None
    return "a sequence without a still picture" if has_tracks_alone else ""


def is_animated(data: bytes) -> bool:
    """Return whether the file has tracks beside its pictures, as an AVIF sequence."""
    return find(data, b"moov") is not None


def is_complete(data: bytes) -> bool:
    """Return whether all bytes of the picture and its alpha channel are in the file."""
    return summarise(data).is_whole


def _coded_items(found: Items, item_id: int, depth: int = 0) -> list[int]:
    """Return the items that hold the coded pixels. Raise `ValueError` for too many or none."""
    if found.items[item_id].kind not in DERIVED:
        return [item_id]
    if depth == DEEPEST:
        raise ValueError("items are made from each other")
    coded = list[int]()
    for target in found.targets(b"dimg", item_id):
        coded += _coded_items(found, target, depth + 1)
        if len(coded) > MOST_TILES:
            raise ValueError(f"more than {MOST_TILES} tiles")
    if not coded:
        raise ValueError("a picture without parts")
    return coded


def _check_grid(data: bytes, grid: Item, tiles: list[Item]) -> None:
    """Raise `ValueError` unless there are as many tiles as places, and they cover the picture."""
    start = grid.extents[0][0]
    flags, rows, columns = data[start + 1], data[start + 2] + 1, data[start + 3] + 1
    width, height = struct.unpack_from(">II" if flags & 1 else ">HH", data, start + 4)
    across, down = _size(data, tiles[0])
    if len(tiles) != rows * columns or across * columns < width or down * rows < height:
        raise ValueError(f"{len(tiles)} tiles of {across} x {down} do not cover {width} x {height}")


def _check_coded_size(data: bytes, item: Item) -> None:
    """Raise `ValueError` if the box claims more AV1 pixels than are coded, which would take minutes."""
    if item.kind not in AV1 or not item.extents:
        return
    start, length = item.extents[0]
    coded, claimed = av1.coded_size(data[start : start + min(length, MOST_HEADER_BYTES)]), _size(data, item)
    if coded and (claimed[0] > coded[0] or claimed[1] > coded[1]):
        raise ValueError(f"{claimed[0]} x {claimed[1]} pixels, but {coded[0]} x {coded[1]} are coded")


def _property(item: Item, kind: bytes) -> Box | None:
    return next((box for box in item.properties if box.kind == kind), None)


def _size(data: bytes, item: Item) -> tuple[int, int]:
    box = _property(item, b"ispe")
    if box is None:
        raise ValueError("a picture without a size")
    return struct.unpack_from(">II", data, box.start + 4)


def _upright_size(data: bytes, item: Item) -> tuple[int, int]:
    """Return the size after the transformations, which are applied in their order.

    Raise `ValueError` if the picture is cut to more than it has.
    """
    width, height = _size(data, item)
    for box in item.properties:
        if box.kind == b"irot" and data[box.start] & 1:
            width, height = height, width
        elif box.kind == b"clap":
            across, per_across, down, per_down = struct.unpack_from(">4I", data, box.start)
            before = width, height
            width = (2 * across + per_across) // (2 * per_across)
            height = (2 * down + per_down) // (2 * per_down)
            if width > before[0] or height > before[1]:
                raise ValueError(f"{width} x {height} pixels cut from {before[0]} x {before[1]}")
    return width, height


def _is_sideways(data: bytes, item: Item) -> bool:
    return sum(data[box.start] for box in item.properties if box.kind == b"irot") % 2 == 1


def _depth(data: bytes, item: Item) -> int | None:
    """Return the bits of a sample, from `pixi` or from the decoder's configuration."""
    if (box := _property(item, b"pixi")) and data[box.start + 4]:
        return max(data[box.start + 5 : box.start + 5 + data[box.start + 4]])
    if box := _property(item, b"hvcC"):
        return 8 + (data[box.start + 17] & 7)
    if box := _property(item, b"av1C"):
        flags = data[box.start + 2]
        return (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    return None


def _is_grey(data: bytes, item: Item) -> bool:
    box = _property(item, b"av1C")
    return box is not None and bool(data[box.start + 2] & 0x10)


def _is_alpha(data: bytes, item: Item) -> bool:
    box = _property(item, b"auxC")
    return box is not None and data[box.start + 4 : box.end].split(b"\0")[0] in ALPHA


def _colour(data: bytes, item: Item) -> Colour | None:
    for box in item.properties:
        if box.kind == b"colr" and data[box.start : box.start + 4] == b"nclx":
            return Colour(*struct.unpack_from(">3H", data, box.start + 4))
    return None
