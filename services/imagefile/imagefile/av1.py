"""The size in the sequence header of coded AV1 pixels (AV1 specification, 5.5). Pixels are not touched."""

SEQUENCE_HEADER = 1
"""The type of the unit (OBU) that says the size."""
MOST_UNITS = 16
"""Units that are searched for it. It is the first or the second."""


class Bits:
    """Reads bits from the highest of each byte on. Raise `ValueError` behind the last one."""

    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def take(self, count: int) -> int:
        start, self._position = self._position, self._position + count
        if self._position > 8 * len(self._data):
            raise ValueError("the sequence header is cut off")
        end = (self._position + 7) >> 3
        piece = int.from_bytes(self._data[start >> 3 : end], "big")
        return piece >> (8 * end - self._position) & (1 << count) - 1


def coded_size(data: bytes) -> tuple[int, int] | None:
    """Return the largest size of a frame. None if there is no header, or one of a kind that pictures lack.

    Raise `ValueError` or `IndexError` if the header is cut off.
    """
    position = 0
    for _ in range(MOST_UNITS):
        if position >= len(data):
            return None
        flags = data[position]
        position += 2 if flags & 4 else 1
        length = len(data) - position
        if flags & 2:
            length, position = _read_length(data, position)
        if flags >> 3 & 15 == SEQUENCE_HEADER:
            return _read_size(Bits(data[position : position + length]))
        position += length
    return None


def _read_length(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of seven bits a byte (LEB128), and the position behind it."""
    length = 0
    for index in range(8):
        byte = data[position + index]
        length |= (byte & 0x7F) << 7 * index
        if not byte & 0x80:
            return length, position + index + 1
    raise ValueError("a length without end")


def _read_size(bits: Bits) -> tuple[int, int] | None:
    bits.take(4)
    if bits.take(1):  # the short header of a still picture
        bits.take(5)
    elif bits.take(1):  # has timing information, which only videos need
        return None
    else:
        has_delay = bits.take(1)
        for _ in range(bits.take(5) + 1):
            bits.take(12)
            if bits.take(5) > 7:
                bits.take(1)
            if has_delay and bits.take(1):
                bits.take(4)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1
