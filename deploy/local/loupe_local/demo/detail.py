"""Read a part of a picture into memory, without ever holding all of its pixels."""

from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image

from inference.decoding import decoders, still
from inference.decoding.protocol import DecodedHeader
from loupe.contract import LONGEST_OUTPUT_SIDE

Box = tuple[int, int, int, int]
"""Left, top, right and bottom."""
MOST_PIXELS = LONGEST_OUTPUT_SIDE**2
MODES = {(1, False): "L", (1, True): "LA", (3, False): "RGB", (3, True): "RGBA"}
"""Pillow's modes by the number of colours, and whether there is alpha."""


def read_detail(data: bytes, box: Box) -> Image.Image:
    """Return this part of the first frame, with 8 bits a sample. `box` is in upright pixels."""
    decoded = decoders.decode(data, MOST_PIXELS)
    header, rows = decoded.header, Rows(decoded.parts)
    if header["orientation"] != 1:  # the pixels are not upright yet
        whole = _read_rows(header, rows, 0, header["height"])
        return still.turn_upright(whole, header["orientation"]).crop(box)
    return _read_rows(header, rows, box[1], box[3]).crop((box[0], 0, box[2], box[3] - box[1]))


class Rows:
    """The bytes of a decoded picture, of which some are wanted. Each byte passes once."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts: Iterator[bytes] = iter(parts)
        self._part = b""
        self._start = 0

    def take(self, start: int, length: int) -> bytes:
        """Return the bytes from `start` on, which must not lie before the end of the last call's."""
        taken = bytearray()
        while len(taken) < length:
            offset = start + len(taken) - self._start
            if offset >= len(self._part):
                self._start += len(self._part)
                self._part = next(self._parts)
                continue
            taken += self._part[offset : offset + length - len(taken)]
        return bytes(taken)


def _read_rows(header: DecodedHeader, rows: Rows, top: int, bottom: int) -> Image.Image:
    read = _read_16_bit if header["depth"] == 16 else _read_8_bit
    return read(header, rows, top, bottom)


def _read_8_bit(header: DecodedHeader, rows: Rows, top: int, bottom: int) -> Image.Image:
    width, channels, size = header["width"], header["channels"], (header["width"], bottom - top)
    row = width * channels
    image = Image.frombytes(MODES[channels, False], size, rows.take(top * row, (bottom - top) * row))
    if header["alpha_follows"]:
        colours = row * header["height"]
        image.putalpha(Image.frombytes("L", size, rows.take(colours + top * width, (bottom - top) * width)))
    return image


def _read_16_bit(header: DecodedHeader, rows: Rows, top: int, bottom: int) -> Image.Image:
    """Return the rows with 8 bits a sample, rounded. Alpha is the last of the channels."""
    channels, has_alpha = header["channels"], header["has_alpha"]
    row = header["width"] * channels * 2
    samples = np.frombuffer(rows.take(top * row, (bottom - top) * row), np.uint16)
    rounded = ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
    mode = MODES[channels - has_alpha, has_alpha]
    return Image.frombytes(mode, (header["width"], bottom - top), rounded.tobytes())
