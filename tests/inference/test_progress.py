"""Progress counts all work on a picture by what it costs, so that it grows evenly until the end."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from inference.networks.network import Answer
from inference.picture import Picture, Pixels
from inference.pipeline import render
from inference.tiling.progress import KFLOP
from tests.inference.built_models import CLEAN, FAITHFUL
from tests.inference.pictures import upscaled
from tests.inference.test_fallback_blend import a_model
from tests.inference.test_pipeline import Nearest, a_spec, an_animation

EVERYWHERE, NOWHERE = (slice(None), slice(None)), None
FALLBACK = CLEAN.networks[0].name


def a_picture(width: int, height: int) -> Picture:
    """Return a picture of two colours: one of a single colour needs no network."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[0, 0] = 1
    return Picture(pixels, "PNG")


@dataclass
class Run:
    """Upscales a picture, and records what had been spent on networks at each report."""

    spent: float = 0.0
    reports: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """Each share that was reported, and the cost until then."""

    def report(self, share: float) -> None:
        self.reports.append((share, self.spent))

    @property
    def shares(self) -> list[float]:
        return [share for share, _ in self.reports]

    @property
    def largest_error(self) -> float:
        """The largest difference between a reported share and the true one."""
        return max(abs(share - spent / self.spent) for share, spent in self.reports)

    async def upscale(
        self, size: tuple[int, int], scale: int, uncertain: tuple[slice, slice] | None, tile: int = 512
    ) -> None:
        model = a_model(uncertain, [])

        async def infer(name: str, tensor: Pixels) -> Answer:
            answer = await model(name, tensor)
            self.spent += KFLOP[name] * tensor.shape[2] * tensor.shape[3]
            return answer

        await upscaled(
            a_picture(*size),
            (size[0] * scale, size[1] * scale),
            infer,
            tile=tile,
            in_flight=1,
            progress=self.report,
        )


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(200, 40), (600, 400), (700, 1300)])
@pytest.mark.parametrize("uncertain", [EVERYWHERE, (slice(0, 9), slice(0, 9)), NOWHERE])
async def test_progress_only_grows_and_is_complete_only_at_the_end(
    size: tuple[int, int], scale: int, uncertain: tuple[slice, slice] | None
) -> None:
    run = Run()

    await run.upscale(size, scale, uncertain)

    assert run.shares == sorted(set(run.shares))
    assert run.shares[-1] == pytest.approx(1)
    assert all(share < 0.999 for share in run.shares[:-1])


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(600, 400), (700, 1300)])
async def test_tiles_of_the_fallback_count_by_what_they_cost(size: tuple[int, int], scale: int) -> None:
    run = Run()

    await run.upscale(size, scale, EVERYWHERE)

    assert run.largest_error < 0.1


async def test_a_picture_that_needs_no_fallback_is_half_done_with_half_of_its_tiles() -> None:
    run = Run()

    await run.upscale((1000, 1000), 4, NOWHERE, tile=256)

    assert run.largest_error < 0.12


async def test_a_picture_of_one_tile_shows_progress_after_each_pass() -> None:
    shares = list[float]()

    await upscaled(
        a_picture(100, 80), (400, 320), a_model(NOWHERE, []), networks=CLEAN.networks, progress=shares.append
    )

    assert len(shares) == 3
    assert shares[0] == pytest.approx(0.2, abs=0.03)


async def test_work_that_was_not_expected_stops_progress_and_never_takes_it_back() -> None:
    """Only the last tile of the picture is uncertain."""
    calls, shares = 0, list[float]()
    certain, uncertain = a_model(NOWHERE, []), a_model(EVERYWHERE, [])

    async def infer(name: str, tensor: Pixels) -> Answer:
        nonlocal calls
        calls += 1
        return await (uncertain if calls >= 4 else certain)(name, tensor)

    await upscaled(a_picture(400, 400), (800, 800), infer, tile=256, in_flight=1, progress=shares.append)

    assert shares == sorted(set(shares))
    assert shares[-1] == pytest.approx(1)


@pytest.mark.parametrize("network", [*FAITHFUL.networks, *CLEAN.networks])
async def test_every_network_has_a_known_cost(network: object) -> None:
    assert getattr(network, "name", None) in KFLOP


async def test_progress_of_an_animation_grows_within_each_frame() -> None:
    shares = list[float]()

    await render(an_animation(), a_spec((80, 40), "GIF"), Nearest(), shares.append)

    assert shares == sorted(set(shares))
    assert len(shares) > 3
    assert {1, 2, 3} <= {round(3 * share, 6) for share in shares}
