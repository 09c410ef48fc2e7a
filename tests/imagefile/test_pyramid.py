"""A pyramid names where each of its tiles is."""

import pytest

from imagefile import pyramid
from imagefile.pyramid import HEADER, Damaged, File, levels


def test_each_level_halves_the_one_before_until_one_tile_holds_the_picture() -> None:
    found = levels(1300, 520)

    assert [(each.width, each.height) for each in found] == [(1300, 520), (650, 260), (325, 130)]
    assert [(each.columns, each.rows, each.first) for each in found] == [(3, 2, 0), (2, 1, 6), (1, 1, 8)]


def test_a_small_picture_is_one_tile() -> None:
    [only] = levels(512, 1)

    assert (only.columns, only.rows) == (1, 1)


def test_tiles_are_found_whatever_their_order_in_the_file() -> None:
    file = File(513, 512)
    for number in (2, 0, 1):
        file.add(number, bytes([number]) * (number + 1))

    data = file.finish()

    header = pyramid.read_header(data, 1 << 30)
    places = pyramid.read_index(data[HEADER.size :][: header.index_bytes])
    assert (header.width, header.height, header.tile) == (513, 512, 512)
    assert [data[offset : offset + length] for offset, length in places] == [b"\0", b"\1\1", b"\2\2\2"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF" + bytes(40),
        HEADER.pack(pyramid.MAGIC, 0, 5, 512),
        HEADER.pack(pyramid.MAGIC, 5, 1 << 21, 512),
        HEADER.pack(pyramid.MAGIC, 1 << 20, 1 << 20, 512),
        HEADER.pack(pyramid.MAGIC, 5, 5, 1),
    ],
)
def test_other_data_is_damaged(data: bytes) -> None:
    with pytest.raises(Damaged):
        pyramid.read_header(data, 1 << 30)
