"""Reads the HEIC files of the tests, and puts their coded pixels into other boxes."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from imagefile.isobmff import read_items

FOLDER = Path(__file__).parent / "inference" / "heic"
SIZE = (61, 43)
CODED = (64, 64)
"""The size of the coded picture. The clean aperture cuts it to `SIZE`."""


def heic(name: str) -> bytes:
    return (FOLDER / f"{name}.heic").read_bytes()


def transformed(**bodies: int) -> bytes:
    """Return the file with another byte in its boxes `irot` and `imir`."""
    data = bytearray(heic("transformed"))
    found = read_items(bytes(data))
    for box in found.items[found.primary].properties:
        if box.kind.decode() in bodies:
            data[box.start] = bodies[box.kind.decode()]
    return bytes(data)


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full(kind: bytes, *parts: bytes, version: int = 0) -> bytes:
    return box(kind, bytes([version, 0, 0, 0]), *parts)


def a_grid(
    rows: int,
    columns: int,
    size: tuple[int, int],
    *,
    tiles: int | None = None,
    brand: bytes = b"heic",
    claimed: tuple[int, int] = CODED,
    extents: int = 1,
) -> bytes:
    """Return a picture of `size` from copies of one tile, as telephones store theirs.

    `tiles` may differ from what rows and columns need, and `claimed` from the true size of a tile.
    """
    source = heic("rgb")
    found = read_items(source)
    item = found.items[found.primary]
    config = next(each for each in item.properties if each.kind == b"hvcC")
    start, length = item.extents[0]
    count = rows * columns if tiles is None else tiles
    properties = [
        box(b"hvcC", source[config.start : config.end]),
        full(b"ispe", struct.pack(">II", *claimed)),
    ]
    ids = range(2, count + 2)
    items = {1: CodedItem(b"grid", grid_of(rows, columns, size), [full(b"ispe", struct.pack(">II", *size))])}
    tile = source[start : start + length]
    items |= {each: CodedItem(b"hvc1", tile, properties, extents) for each in ids}
    return of_items(items, [(b"dimg", 1, list(ids))], brand=brand)


def grid_of(rows: int, columns: int, size: tuple[int, int]) -> bytes:
    return bytes([0, 0, rows - 1, columns - 1]) + struct.pack(">HH", *size)


@dataclass(frozen=True)
class CodedItem:
    """An item of a file: its kind as `hvc1`, its bytes, and its property boxes in their order."""

    kind: bytes
    content: bytes
    properties: list[bytes]
    extents: int = 1
    """How often its place is named."""


def of_items(
    items: dict[int, CodedItem], references: Sequence[tuple[bytes, int, list[int]]] = (), *, brand: bytes
) -> bytes:
    """Return a file whose primary picture is item 1. Equal contents are stored once."""
    properties = list(dict.fromkeys(each for item in items.values() for each in item.properties))
    infos = [
        full(b"infe", struct.pack(">HH4sx", each, 0, item.kind), version=2) for each, item in items.items()
    ]
    links = struct.pack(">I", len(items)) + b"".join(
        struct.pack(">HB", each, len(item.properties))
        + bytes(0x80 | properties.index(one) + 1 for one in item.properties)
        for each, item in items.items()
    )
    contents = list(dict.fromkeys(item.content for item in items.values()))
    starts = dict(zip(contents, accumulate(map(len, contents), initial=0), strict=False))
    linked = [
        box(kind, struct.pack(f">HH{len(ends)}H", each, len(ends), *ends)) for kind, each, ends in references
    ]

    def meta(pixels: int) -> bytes:
        places = b"".join(
            struct.pack(">HHH", each, 0, item.extents)
            + struct.pack(">II", pixels + starts[item.content], len(item.content)) * item.extents
            for each, item in items.items()
        )
        return full(
            b"meta",
            full(b"hdlr", bytes(4) + b"pict" + bytes(13)),
            full(b"pitm", struct.pack(">H", 1)),
            full(b"iinf", struct.pack(">H", len(items)), *infos),
            full(b"iloc", b"\x44\0" + struct.pack(">H", len(items)), places),
            box(b"iprp", box(b"ipco", *properties), full(b"ipma", links)),
            full(b"iref", *linked),
        )

    start = box(b"ftyp", brand, bytes(4), b"mif1", brand)
    return start + meta(len(start) + len(meta(0)) + 8) + box(b"mdat", *contents)


def coded_item(data: bytes) -> CodedItem:
    """Return the primary picture of a file, without the properties that turn or cut it."""
    found = read_items(data)
    item = found.items[found.primary]
    start, length = item.extents[0]
    kept = [each for each in item.properties if each.kind not in (b"irot", b"imir", b"clap")]
    return CodedItem(
        item.kind,
        data[start : start + length],
        [box(each.kind, data[each.start : each.end]) for each in kept],
    )


def clap(size: tuple[int, int], offset: tuple[int, int] = (0, 0)) -> bytes:
    """Return a clean aperture. The offset is that of its middle from the middle of the picture."""
    fields = (size[0], 1, size[1], 1, offset[0], 1, offset[1], 1)
    return box(b"clap", struct.pack(">IIIIiIiI", *fields))
