"""The plan of tiles covers pictures of every size once, with enough overlap."""

from itertools import pairwise

import numpy as np
import pytest

from inference.tiling.tiles import QUANTUM, cut, paste, plan, plan_rows, spans

GRIDS = [(512, 20), (512, 42), (256, 16), (128, 20), (64, 8), (48, 20), (40, 0)]


@pytest.mark.parametrize(("tile", "overlap"), GRIDS)
def test_along_an_axis_every_pixel_is_kept_once_and_far_from_cut_edges(tile: int, overlap: int) -> None:
    for length in range(1, 1501):
        line = spans(length, tile, overlap)

        assert line[0].start == line[0].core_start == 0
        assert line[-1].end == line[-1].core_end == length
        assert len({span.end - span.start for span in line}) == 1
        assert line[0].end <= tile
        for span in line:
            assert 0 <= span.start <= span.core_start < span.core_end <= span.end <= length
        for left, right in pairwise(line):
            assert left.core_end == right.core_start
            assert left.end - left.core_end >= overlap
            assert right.core_start - right.start >= overlap


@pytest.mark.parametrize(("tile", "overlap"), GRIDS)
def test_pictures_are_cut_into_tiles_of_few_sizes(tile: int, overlap: int) -> None:
    sizes = {spans(length, tile, overlap)[0].end for length in range(tile + 1, 1501)}

    assert all(size % QUANTUM == 0 or size == tile for size in sizes)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (64, 64), (65, 64), (64, 65), (100, 333), (301, 150)])
def test_the_kept_parts_cover_the_picture_once(width: int, height: int) -> None:
    covered = np.zeros((height, width), int)

    for tile in plan(width, height, 64, 8):
        covered[tile.core.top : tile.core.bottom, tile.core.left : tile.core.right] += 1

    assert (covered == 1).all()


def test_a_picture_no_larger_than_a_tile_is_one_tile() -> None:
    (tile,) = plan(512, 300, 512, 20)

    assert tile.source == tile.core == (0, 0, 512, 300)


@pytest.mark.parametrize(
    ("width", "height", "most"),
    [
        (512, 512, 1.0),
        (640, 480, 1.15),
        (800, 600, 1.15),
        (1024, 768, 1.15),
        (1280, 720, 1.15),
        (1280, 960, 1.15),
        (1920, 1080, 1.2),
        (4000, 3000, 1.2),
        (8000, 6000, 1.2),
    ],
)
def test_overlap_adds_few_pixels(width: int, height: int, most: float) -> None:
    tiles = plan(width, height, 512, 20)

    assert sum(tile.source.width * tile.source.height for tile in tiles) <= most * width * height


def test_a_tile_that_is_all_overlap_is_refused() -> None:
    with pytest.raises(ValueError, match="leave nothing"):
        plan(1000, 1000, 42, 20)


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_cut_and_pasted_make_the_picture_again(channels: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (150, 301, channels), np.uint8)
    target = np.zeros((300, 602, channels), np.uint8)

    for tile in plan(301, 150, 64, 8):
        tensor = cut(pixels, tile)
        paste(tensor.repeat(2, axis=2).repeat(2, axis=3), tile, 2, target)

    assert np.array_equal(target, pixels.repeat(2, axis=0).repeat(2, axis=1))


def test_grey_is_the_rounded_mean_of_the_channels() -> None:
    (tile,) = plan(1, 1, 64, 8)
    target = np.zeros((1, 1, 1), np.uint8)

    paste(np.array([254, 255, 255], np.uint8).reshape(1, 3, 1, 1), tile, 1, target)

    assert target.item() == 255


@pytest.mark.parametrize(("tile", "overlap"), GRIDS)
def test_fixed_tiles_have_the_full_length_or_that_of_the_axis(tile: int, overlap: int) -> None:
    for length in range(1, 1501):
        line = spans(length, tile, overlap, is_fixed=True)

        assert line[0].start == line[0].core_start == 0
        assert line[-1].end == line[-1].core_end == length
        assert {span.end - span.start for span in line} == {min(length, tile)}
        for left, right in pairwise(line):
            assert left.core_end == right.core_start
            assert left.end - left.core_end >= overlap
            assert right.core_start - right.start >= overlap


@pytest.mark.parametrize("overlap", [15, 21, 96])
def test_fixed_tiles_of_pictures_of_all_sizes_have_few_shapes(overlap: int) -> None:
    sizes = [(width, height) for width in range(512, 3000, 97) for height in range(512, 3000, 89)]

    shapes = {
        (tile.source.width, tile.source.height)
        for size in sizes
        for tile in plan(*size, 512, overlap, is_fixed=True)
    }

    assert shapes <= {(side, side) for side in (256, 384, 512)}


@pytest.mark.parametrize(
    ("width", "height", "most"),
    [
        (300, 200, 1.0),
        (512, 512, 1.0),
        (640, 480, 1.6),
        (1024, 768, 1.7),
        (1280, 720, 1.3),
        (1920, 1080, 1.5),
        (4000, 3000, 1.4),
    ],
)
def test_fixed_tiles_add_a_few_more_pixels(width: int, height: int, most: float) -> None:
    tiles = plan(width, height, 512, 21, is_fixed=True)

    assert sum(tile.source.width * tile.source.height for tile in tiles) <= most * width * height


@pytest.mark.parametrize(("width", "height"), [(300, 280), (256, 700), (100, 900), (1000, 257)])
@pytest.mark.parametrize("is_fixed", [False, True])
def test_tiles_of_some_rows_cover_these_once_and_include_their_overlap(
    width: int, height: int, is_fixed: bool
) -> None:
    for top, bottom in ((0, 90), (90, min(height, 250)), (height // 2, height)):
        covered = np.zeros((height, width), int)

        for tile in plan_rows((width, height), (top, bottom), 256, 15, is_fixed=is_fixed):
            source, core = tile.source, tile.core
            covered[core.top : core.bottom, core.left : core.right] += 1
            assert source.top <= max(0, core.top - 15)
            assert source.bottom >= min(height, core.bottom + 15)
            if is_fixed:
                assert (source.width, source.height) == (min(width, 256), min(height, 256))

        assert (covered[top:bottom] == 1).all()
        assert covered.sum() == (bottom - top) * width
