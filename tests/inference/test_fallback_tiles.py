"""The fallback network gets little more than the places that it changes."""

import numpy as np
import pytest

from inference.networks.network import Answer
from inference.picture import Picture, Pixels
from inference.tiling import fallback_tiles
from inference.tiling.fallback_blend import BlendWeight, blend_weight
from inference.tiling.tiles import Box, Tile
from tests.inference.built_models import CLEAN
from tests.inference.pictures import upscaled

OVERLAP = 15
Places = list[tuple[int, int]]
SCATTERED: Places = [(0, 0), (10, 190), (120, 20), (121, 24), (300, 90), (301, 260), (399, 599)]


def map_of(places: Places, size: tuple[int, int] = (600, 400)) -> Pixels:
    """Return an uncertainty map with these uncertain pixels, each a row and a column."""
    uncertainty = np.zeros((size[1], size[0]), np.uint8)
    for row, column in places:
        uncertainty[row, column] = 255
    return uncertainty


def weight_of(uncertainty: Pixels, rows: tuple[int, int]) -> BlendWeight:
    weight = blend_weight(uncertainty, *rows)
    assert weight is not None
    return weight


def plan(places: Places, rows: tuple[int, int] = (0, 400), *, is_fixed: bool = False) -> list[Tile]:
    return fallback_tiles.plan(weight_of(map_of(places), rows), (600, 400), rows, OVERLAP, is_fixed=is_fixed)


def source_pixels(tiles: list[Tile]) -> int:
    return sum(tile.source.width * tile.source.height for tile in tiles)


@pytest.mark.parametrize("rows", [(0, 400), (0, 130), (110, 305), (299, 400)])
@pytest.mark.parametrize("is_fixed", [False, True])
def test_tiles_cover_every_place_that_the_fallback_changes_once_and_include_their_overlap(
    rows: tuple[int, int], is_fixed: bool
) -> None:
    weight = weight_of(map_of(SCATTERED), rows)
    covered = np.zeros((400, 600), int)

    for tile in plan(SCATTERED, rows, is_fixed=is_fixed):
        source, core = tile.source, tile.core
        covered[core.top : core.bottom, core.left : core.right] += 1
        assert source.left <= max(0, core.left - OVERLAP)
        assert source.top <= max(0, core.top - OVERLAP)
        assert source.right >= min(600, core.right + OVERLAP)
        assert source.bottom >= min(400, core.bottom + OVERLAP)

    assert covered.max() == 1
    assert (covered[: rows[0]] == 0).all()
    assert (covered[rows[1] :] == 0).all()
    changed = [weight.is_needed(Box(x, y, x + 1, y + 1)) for y in range(*rows) for x in range(600)]
    assert (covered[slice(*rows)].ravel()[changed] == 1).all()


@pytest.mark.parametrize(
    "places", [[(200, 300)], [(5, 5), (220, 220)], [(50, 60), (50, 90), (350, 500)], SCATTERED]
)
def test_few_uncertain_pixels_cost_a_small_part_of_the_picture(places: Places) -> None:
    pixels = source_pixels(plan(places))

    assert pixels <= len(places) * 90 * 90


def test_uncertain_pixels_close_to_each_other_share_a_tile() -> None:
    assert len(plan([(100, 100), (105, 115), (120, 90)])) == 1


def test_a_row_that_is_uncertain_everywhere_takes_large_tiles() -> None:
    everywhere = weight_of(np.full((400, 600), 255, np.uint8), (0, 400))

    tiles = fallback_tiles.plan(everywhere, (600, 400), (0, 400), OVERLAP, is_fixed=False)

    assert len(tiles) == 6
    assert max(max(tile.source.width, tile.source.height) for tile in tiles) <= 256


def test_fixed_tiles_are_not_cut_down() -> None:
    tiles = plan(SCATTERED, is_fixed=True)

    assert {(tile.source.width, tile.source.height) for tile in tiles} <= {(256, 256)}


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("tile", [128, 640])
async def test_the_result_is_that_of_a_fallback_for_the_whole_picture(scale: int, tile: int) -> None:
    photo = np.random.default_rng(1).integers(0, 120, (400, 600, 3), np.uint8)
    photo[tuple(np.transpose(SCATTERED))] = 255  # where the photo network is uncertain

    async def infer(name: str, tensor: Pixels) -> Answer:
        if name == CLEAN.networks[0].name:
            return Answer(255 - _enlarged(255 - tensor, 2) // 2)
        uncertainty = (tensor.min(axis=1, keepdims=True) == 255).astype(np.uint8) * 255
        return Answer(_enlarged(tensor, 4 if name == "span_x4" else 2), uncertainty)

    result = await upscaled(Picture(photo, "PNG"), (600 * scale, 400 * scale), infer, tile=tile)

    weight = weight_of(map_of(SCATTERED), (0, 400))
    share = np.asarray(weight.enlarged(Box(0, 0, 600, 400), scale), np.uint16)[:, :, np.newaxis]
    first = photo.repeat(scale, 0).repeat(scale, 1)
    fallback = first
    for _ in range(scale // 2):
        fallback = 255 - (255 - fallback) // 2
    expected = (first * (255 - share) + fallback * share + 127) // 255
    assert (result.pixels == expected).all()


def _enlarged(tensor: Pixels, scale: int) -> Pixels:
    return tensor.repeat(scale, 2).repeat(scale, 3)
