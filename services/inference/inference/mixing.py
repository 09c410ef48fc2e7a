"""Blends the rows of one model over those of another one, as both come.

Both have the exact size of the result. Each network gives wide areas the colours of the original, so their
blend has them too, and neither result has seams.
"""

import asyncio
from asyncio import to_thread
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inference.networks.network import Network
from inference.picture import Pixels
from inference.sizing import WriteRows
from inference.tiling.progress import Progress, cost

if TYPE_CHECKING:
    from inference.networks.registry import Model


@dataclass(frozen=True, slots=True)
class Mix:
    """The networks of the lower result, and the share of the upper one."""

    under: tuple[Network, ...]
    strength: float
    """The share of the upper result, between 0 and 1."""


def mix_of(model: "Model") -> Mix | None:
    """Return what the model's result is blended over. None if it stands alone."""
    if not model.under or model.strength is None:
        return None
    return Mix(model.under, model.strength)


class Mixer:
    """Takes the rows of two results from the top, and writes their blend.

    A side that is ahead waits for the other one, so that only a few rows are in memory.
    """

    def __init__(self, strength: float, write: WriteRows) -> None:
        self._strength = np.float32(strength)
        self._write = write
        self._waiting: tuple[list[Pixels], list[Pixels]] = ([], [])
        self._changed = asyncio.Condition()

    async def put(self, side: int, rows: Sequence[Pixels]) -> None:
        """Take the next rows of the lower side (0) or of the upper one (1)."""
        async with self._changed:
            # a part without rows after the last one of the other side would wait for ever
            self._waiting[side].extend(part for part in rows if len(part))
            await to_thread(self._write_ready)
            self._changed.notify_all()
            await self._changed.wait_for(lambda: not self._waiting[side])

    def _write_ready(self) -> None:
        under, over = self._waiting
        while under and over:
            height = min(len(under[0]), len(over[0]))
            self._write(blended(under[0][:height], over[0][:height], self._strength))
            for rows in self._waiting:
                rows[0] = rows[0][height:]
                if not len(rows[0]):
                    del rows[0]


def blended(under: Pixels, over: Pixels, strength: np.float32) -> Pixels:
    """Return the lower rows with this share of the upper ones."""
    lower = under.astype(np.float32)
    return np.rint(lower + (over - lower) * strength).astype(under.dtype)


def shares_of(networks: Sequence[Network], report: Progress | None) -> list[Progress | None]:
    """Return a function for each network that reports the share of both together when it gets its own."""
    if report is None:
        return [None for _ in networks]
    costs = [cost(network) for network in networks]
    done = [0.0 for _ in networks]

    def reporter(index: int) -> Progress:
        def report_part(share: float) -> None:
            done[index] = share
            report(sum(each * part for each, part in zip(costs, done, strict=True)) / sum(costs))

        return report_part

    return [reporter(index) for index in range(len(networks))]
