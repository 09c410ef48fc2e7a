"""Reads the HEIC files of the tests, and puts their coded pixels into other boxes."""

import struct
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
    return assemble(
        grid=bytes([0, 0, rows - 1, columns - 1]) + struct.pack(">HH", *size),
        tile=source[start : start + length],
        count=count,
        properties=[
            box(b"hvcC", source[config.start : config.end]),
            full(b"ispe", struct.pack(">II", *claimed)),
            full(b"ispe", struct.pack(">II", *size)),
        ],
        brand=brand,
        extents=extents,
    )


def assemble(
    *, grid: bytes, tile: bytes, count: int, properties: list[bytes], brand: bytes, extents: int
) -> bytes:
    ids = range(2, count + 2)
    kinds = [(1, b"grid"), *((each, b"hvc1") for each in ids)]
    infos = [full(b"infe", struct.pack(">HH4sx", each, 0, kind), version=2) for each, kind in kinds]
    links = struct.pack(">IHBB", count + 1, 1, 1, 3) + b"".join(
        struct.pack(">HBBB", each, 2, 0x81, 2) for each in ids
    )
    references = box(b"dimg", struct.pack(f">HH{count}H", 1, count, *ids))

    def meta(pixels: int) -> bytes:
        places = struct.pack(">HHHII", 1, 0, 1, pixels, len(grid))
        places += b"".join(
            struct.pack(">HHH", each, 0, extents)
            + struct.pack(">II", pixels + len(grid), len(tile)) * extents
            for each in ids
        )
        return full(
            b"meta",
            full(b"hdlr", bytes(4) + b"pict" + bytes(13)),
            full(b"pitm", struct.pack(">H", 1)),
            full(b"iinf", struct.pack(">H", count + 1), *infos),
            full(b"iloc", b"\x44\0", struct.pack(">H", count + 1), places),
            box(b"iprp", box(b"ipco", *properties), full(b"ipma", links)),
            full(b"iref", references),
        )

    start = box(b"ftyp", brand, bytes(4), b"mif1", brand)
    offset = len(start) + len(meta(0)) + 8
    return start + meta(offset) + box(b"mdat", grid, tile)
