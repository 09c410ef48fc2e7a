"""Calculates which share of a picture's work is done, while it is not yet known how much work there is.

The fallback's tiles are known only when the uncertainty map of their rows is complete. Until then, the rest
of the picture is expected to be as uncertain as the tiles so far. The share may stand still while more work
is found, but it never goes back.
"""

from collections.abc import Callable, Iterable, Sequence

from inference.networks.network import Network
from inference.picture import Pixels
from inference.tiling.picture_means import COSTS, measuring_share
from inference.tiling.tiles import Box, Tile
from loupe.images.v1.known_models import KNOWN_MODELS

Progress = Callable[[float], None]
"""Takes the share of the work that is done, from 0 to 1."""
UNCERTAIN_SQUARE = 64
"""Side of the squares of which uncertain pixels cost all: the fallback's tiles are about as large."""
KFLOP = {network.name: network.kflop for model in KNOWN_MODELS for network in model.networks}
"""Thousands of operations for a pixel of the input, by network."""
UNKNOWN_KFLOP = 1000
WRITING_KFLOP = 6
"""The cost of resampling and encoding a pixel of the network's output, in the same measure."""


def cost_of_pass(network: Network, index: int = 0) -> float:
    """Return what one pass costs for a pixel of the original. Each pass enlarges the one before it."""
    kflop = KFLOP.get(network.then if index and network.then else network.name, UNKNOWN_KFLOP)
    share = 1 - measuring_share(network) if network.pooled and not index else 1
    return kflop * share * network.pass_scale ** (2 * index)


def cost_of_means(network: Network) -> float:
    """Return what it costs for a pixel of the original to collect the means over the picture."""
    return KFLOP.get(network.name, UNKNOWN_KFLOP) * measuring_share(network) if network.pooled else 0.0


def cost(network: Network | None) -> float:
    """Return what all passes of a network cost for a pixel of the original."""
    return sum(cost_of_pass(network, index) for index in range(network.passes)) if network else 0.0


def uncertain_pixels(uncertainty: Pixels, core: Box) -> int:
    """Return how many pixels the squares with uncertain pixels have, in a part of the map."""
    part = uncertainty[core.top : core.bottom, core.left : core.right]
    squares = (
        part[top : top + UNCERTAIN_SQUARE, left : left + UNCERTAIN_SQUARE]
        for top in range(0, core.height, UNCERTAIN_SQUARE)
        for left in range(0, core.width, UNCERTAIN_SQUARE)
    )
    return sum(square.size for square in squares if square.any())


def of_frame(report: Progress | None, index: int, count: int) -> Progress | None:
    """Return a function that reports the share of all frames or pages when it gets that of one of them."""
    if report is None:
        return None

    def report_frame(share: float) -> None:
        report((index + share) / count)

    return report_frame


class PassProgress:
    """Counts the work on one picture by what it costs: the tiles of both networks, and the rows to write."""

    def __init__(
        self, network: Network, size: tuple[int, int], tiles: Sequence[Tile], report: Progress | None
    ) -> None:
        self._report = report
        self._network = network
        self._pixels = size[0] * size[1]
        self._writing_cost = WRITING_KFLOP * network.scale**2
        self._measured = cost_of_means(network) if len(tiles) > 1 else 0.0
        work = cost(network) + self._measured
        self._known = work * _source_pixels(tiles) + self._writing_cost * self._pixels
        """The cost of all work that is certain to come, done or not."""
        self._unplanned = self._pixels
        """Pixels in rows whose uncertainty map is incomplete."""
        self._seen = self._uncertain = 0
        self._done = self._share = 0.0

    def tile_measured(self, tile: Tile, layer: int) -> None:
        """Count the collecting of a tile's sums of the layer with this number, counted from 0."""
        self._add(self._measured * COSTS[layer] / sum(COSTS) * _source_pixels([tile]))

    def pass_done(self, network: Network, tile: Tile, index: int) -> None:
        """Count a pass over a tile that is not its last one."""
        self._add(cost_of_pass(network, index) * _source_pixels([tile]))

    def tile_done(self, tile: Tile, uncertainty: Pixels) -> None:
        """Count a tile of the first network. `uncertainty` is the map of the whole picture."""
        self._seen += tile.core.width * tile.core.height
        self._uncertain += uncertain_pixels(uncertainty, tile.core)
        self.pass_done(self._network, tile, self._network.passes - 1)

    def fallback_planned(self, row: Box, tiles: Sequence[Tile]) -> None:
        """Replace the fallback's expected work on a row by the tiles that it needs."""
        self._unplanned -= row.width * row.height
        self._known += cost(self._network.fallback) * _source_pixels(tiles)

    def row_written(self, row: Box) -> None:
        self._add(self._writing_cost * row.width * row.height)

    def _add(self, work: float) -> None:
        self._done += work
        share_uncertain = self._uncertain / self._seen if self._seen else 0.0
        expected = cost(self._network.fallback) * self._unplanned * share_uncertain
        share = min(1.0, self._done / (self._known + expected))
        if share > self._share:
            self._share = share
            if self._report:
                self._report(share)


def _source_pixels(tiles: Iterable[Tile]) -> int:
    return sum(tile.source.width * tile.source.height for tile in tiles)
