"""Writes JPEGs of plain blocks, with any sampling, component numbers and scans, which no library writes."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from imagefile.jpeg_scans import divided_up

Level = Callable[[float, float], float]
"""Returns the level at a place of the picture, from 0 to 255."""


@dataclass(frozen=True)
class Plane:
    level: Level
    across: int = 1
    """Sampling factors."""
    down: int = 1


@dataclass
class Codes:
    """The entropy-coded data of a scan. Each block has one coefficient: the difference of its level."""

    bits: list[int] = field(default_factory=list[int])
    done: bytes = b""

    def put(self, value: int, count: int) -> None:
        self.bits += [value >> shift & 1 for shift in reversed(range(count))]

    def put_block(self, difference: int) -> None:
        size = abs(difference).bit_length()
        self.put(size, 4)
        self.put(difference if difference > 0 else difference + (1 << size) - 1, size)
        self.put(0, 1)  # no other coefficient

    def end_interval(self, marker: bytes = b"") -> None:
        filled = self.bits + [1] * (-len(self.bits) % 8)
        self.done += np.packbits(filled).tobytes().replace(b"\xff", b"\xff\0") + marker
        self.bits = []


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def a_jpeg(
    size: tuple[int, int],
    planes: Sequence[Plane],
    *,
    numbers: bytes = b"\1\2\3\4",
    before: bytes = b"",
    scans: Sequence[Sequence[int]] = (),
    restart_interval: int = 0,
) -> bytes:
    """Return a baseline JPEG. `numbers` are those of its components, and `before` follows its start.

    Without `scans` one scan has all planes.
    """
    numbered = list(zip(numbers, planes, strict=False))
    components = b"".join(bytes((number, plane.across << 4 | plane.down, 0)) for number, plane in numbered)
    out = b"\xff\xd8" + before + segment(0xDB, b"\0" + bytes([8] * 64))
    out += segment(0xC0, struct.pack(">BHHB", 8, size[1], size[0], len(planes)) + components)
    out += segment(0xC4, b"\0" + bytes([0, 0, 0, 12, *bytes(12)]) + bytes(range(12)))
    out += segment(0xC4, b"\x10" + bytes([1, *bytes(15)]) + b"\0")
    out += segment(0xDD, struct.pack(">H", restart_interval)) if restart_interval else b""
    for scan in scans or [range(len(planes))]:
        parts = b"".join(bytes((numbers[index], 0)) for index in scan)
        out += segment(0xDA, bytes([len(scan)]) + parts + b"\0\x3f\0")
        out += _scan(size, planes, scan, restart_interval)
    return out + b"\xff\xd9"


def _scan(size: tuple[int, int], planes: Sequence[Plane], scan: Sequence[int], interval: int) -> bytes:
    across, down = max(plane.across for plane in planes), max(plane.down for plane in planes)
    codes, last = Codes(), dict.fromkeys(scan, 0)
    for number, unit in enumerate(_units(size, planes, scan, (across, down))):
        if interval and number and number % interval == 0:
            codes.end_interval(bytes((0xFF, 0xD0 + (number // interval - 1) % 8)))
            last = dict.fromkeys(scan, 0)
        for index, column, row in unit:
            plane = planes[index]
            x = min(size[0] - 1, (column * 8 + 3.5) * across / plane.across)
            y = min(size[1] - 1, (row * 8 + 3.5) * down / plane.down)
            level = round(plane.level(x, y)) - 128
            codes.put_block(level - last[index])
            last[index] = level
    codes.end_interval()
    return codes.done


def _units(
    size: tuple[int, int], planes: Sequence[Plane], scan: Sequence[int], factors: tuple[int, int]
) -> list[list[tuple[int, int, int]]]:
    """Return what is coded at once: planes, columns and rows of blocks (ITU-T T.81, A.2)."""
    (width, height), (across, down) = size, factors
    if len(scan) == 1:
        [index] = scan
        columns = divided_up(divided_up(width * planes[index].across, across), 8)
        rows = divided_up(divided_up(height * planes[index].down, down), 8)
        return [[(index, column, row)] for row in range(rows) for column in range(columns)]
    return [
        [
            (index, left * planes[index].across + column, top * planes[index].down + row)
            for index in scan
            for row in range(planes[index].down)
            for column in range(planes[index].across)
        ]
        for top in range(divided_up(height, 8 * down))
        for left in range(divided_up(width, 8 * across))
    ]
