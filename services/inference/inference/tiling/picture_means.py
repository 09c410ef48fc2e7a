"""Collects the means over a whole picture that some networks need, before its tiles are upscaled.

Layers of such a network take the mean of the whole picture. A tile's own mean differs, and would show as a
seam. The means of one layer depend on those of the layers before it. So all tiles run as often as there are
such layers, each time up to the next one. Then each tile gets the same means, and the tiled result equals
that of the whole picture. A picture of one tile needs none of this.

The tensors are described in models/builder/pooling.py. Means from fewer tiles, or of all layers at once, were
measured: tiles then differ from the whole picture by up to 5 levels, and by up to 3.
"""

import numpy as np
import numpy.typing as npt

from inference.networks.network import Network, Tensor
from inference.tiling.tiles import Tile

FIRST_MEAN = 5
OUTSIDE = -1000.0
"""The margin at the picture's own border: every pixel beyond it counts too."""
COSTS = (0.08, 0.4, 0.61, 0.78)
"""The cost of a tile up to each layer, as a share of the whole network. Calculated for waifu2x's cunet."""
Sums = npt.NDArray[np.float64]


def measuring_share(network: Network) -> float:
    """Return the share of a network's cost that goes to its means."""
    total = sum(COSTS[: len(network.pooled)])
    return total / (total + 1)


class PictureMeans:
    """The means of one picture, as far as they are known."""

    def __init__(self, network: Network, size: tuple[int, int]) -> None:
        """`size` is the picture's width and height."""
        self._channels = network.pooled
        self._size = size
        self._known: list[npt.NDArray[np.float32]] = []

    @property
    def next_layer(self) -> str | None:
        """Triton's output with the sums of the next layer. None if all means are known."""
        return f"POOL{len(self._known) + 1}" if len(self._known) < len(self._channels) else None

    def add(self, sums: list[Sums]) -> None:
        """Add the means of the next layer. `sums` has the sums of each tile with the number of pixels last.

        They are added in the order of the tiles, so that a repeated run gives the same result.
        """
        total = np.sum(sums, axis=0)
        self._known.append((total[:-1] / total[-1]).astype(np.float32))

    def context(self, tile: Tile) -> Tensor:
        """Return the network's second input for a tile."""
        context = np.zeros((1, FIRST_MEAN + sum(self._channels)), np.float32)
        context[0, 0] = len(self._known)
        (width, height), (source, core) = self._size, (tile.source, tile.core)
        context[0, 1:FIRST_MEAN] = (
            core.top - source.top if source.top else OUTSIDE,
            core.left - source.left if source.left else OUTSIDE,
            source.bottom - core.bottom if source.bottom < height else OUTSIDE,
            source.right - core.right if source.right < width else OUTSIDE,
        )
        if self._known:
            means = np.concatenate(self._known)
            context[0, FIRST_MEAN : FIRST_MEAN + len(means)] = means
        return context
