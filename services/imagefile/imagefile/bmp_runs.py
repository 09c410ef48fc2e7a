"""Reads the run lengths of a BMP (Windows, BI_RLE8 and BI_RLE4). Runs may skip pixels, rows and the rest."""

from imagefile.bmp import RLE4, RLE8, Header

END_OF_ROW, END, SKIP = range(3)
"""Codes that follow a zero. A larger number says how many pixels follow, each with its own colour."""
HIGH, LOW = bytes(byte >> 4 for byte in range(256)), bytes(byte & 15 for byte in range(256))
"""The first and the second pixel of each byte of `RLE4`."""
MOST_BYTES, MOST_PIXELS = 256 << 10, 4_000_000
"""Runs and pixels that are read at the upload. They take up to 0.1 s of processor time."""


def are_complete(data: bytes, header: Header) -> bool:
    """Return whether the runs reach the end of the picture. Also return True for other and larger files."""
    pixels = header.width * abs(header.height)
    is_large = len(data) - header.offset > MOST_BYTES or pixels > MOST_PIXELS
    if is_large or header.compression not in (RLE8, RLE4):
        return True
    try:
        expand(data, header)
    except ValueError:
        return False
    return True


def expand(data: bytes, header: Header) -> bytes:
    """Return the index of each pixel in one byte, in the order of the file. Skipped pixels have colour 0.

    Raise `ValueError` if the runs end before the picture without a mark that says so. What reaches beyond
    a row is cut off.
    """
    width, height = header.width, abs(header.height)
    pixels, column, row, position = bytearray(width * height), 0, 0, header.offset
    while row < height:
        if len(data) < position + 2:
            if row == height - 1 and column >= width:
                break
            raise ValueError("the runs end before the picture")
        count, value = data[position], data[position + 1]
        position += 2
        if count == 0 and value == END:
            break
        if count == 0 and value == END_OF_ROW:
            column, row = 0, row + 1
        elif count == 0 and value == SKIP:
            right, down = data[position : position + 2].ljust(2, b"\0")
            column, row, position = column + right, row + down, position + 2
        else:
            if count:
                run = _repeated(value, count, header)
            else:
                run, position = _own_colours(data, position, value, header)
            room = max(0, width - column)
            start = row * width + column
            pixels[start : start + len(run[:room])] = run[:room]
            column += len(run)
    return bytes(pixels)


def _repeated(value: int, count: int, header: Header) -> bytes:
    """Return a run of one colour, or for `RLE4` of two colours in turn."""
    if header.compression == RLE8:
        return bytes((value,)) * count
    return (bytes((value >> 4, value & 15)) * (count // 2 + 1))[:count]


def _own_colours(data: bytes, position: int, count: int, header: Header) -> tuple[bytes, int]:
    """Return pixels that have a colour each, and the position behind them. They fill up 16 bits.

    Raise `ValueError` if some are missing.
    """
    size = count if header.compression == RLE8 else (count + 1) // 2
    stored = data[position : position + size]
    if len(stored) < size:
        raise ValueError("the runs end before the picture")
    if header.compression == RLE8:
        return stored, position + size + size % 2
    pixels = bytearray(2 * size)
    pixels[::2], pixels[1::2] = stored.translate(HIGH), stored.translate(LOW)
    return bytes(pixels[:count]), position + size + size % 2
