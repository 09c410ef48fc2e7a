"""`make bench`: starts the system, measures it, and prints each figure with its target once it is measured.

The figures are also written to .loupe/bench.json.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path

from loupe_local.log import to_file
from loupe_local.service_names import NAMES
from loupe_local.stack import Stack, stack
from loupe_local.state import REPOSITORY
from tests.bench import (
    bombs,
    clients,
    completeness,
    direct_uploads,
    estimates,
    expiring,
    fairness,
    gateway,
    handover,
    networks,
    overhead,
    pages,
    parsing,
    pipeline,
    png,
    tiling,
    waiting,
    webhooks,
)
from tests.bench.figures import Figure, show
from tests.bench.measure import share_mib

RESULTS = REPOSITORY / ".loupe" / "bench.json"


async def of_the_system(running: Stack, rounds: int) -> AsyncGenerator[dict[str, Figure]]:
    """Yield the figures of a running system, each group as soon as it is measured."""
    idle = {name: share_mib(running.stores.supervisor.pid(name)) for name in NAMES}
    yield {f"idle_memory_mib_{name}": Figure(value, at_most=100) for name, value in idle.items()}
    polls = await gateway.get_image_cpu(running)
    yield {"status_poll_cpu_over_minimal_route": Figure(polls, at_most=6)}
    over_discarding, over_store_client, growth = await gateway.uploads(running)
    yield {
        "upload_time_over_store_client": Figure(over_store_client),
        "upload_time_over_discarding": Figure(over_discarding, at_most=3.33),
        "gateway_growth_mib_8_uploads_at_once": Figure(growth, at_most=32),
    }
    yield (await direct_uploads.costs(running)).figures()
    start_seconds = await pipeline.seconds_to_start(running)
    yield {"accepted_to_started_median_ms": Figure(start_seconds * 1000, at_most=30)}
    images_ratio, busy_share = await pipeline.throughput(running, rounds)
    yield {
        "images_per_second_over_bare_process": Figure(images_ratio, at_least=0.92),
        "busy_share_of_cores_while_jobs_wait": Figure(busy_share, at_least=0.9),
    }
    yield (await estimates.errors(running)).figures()  # before the worker with a model that costs nothing
    handed_over = await handover.median_seconds(running)
    yield {"sigterm_to_next_worker_median_ms": Figure(handed_over * 1000, at_most=1000)}
    cpu_seconds = await overhead.cpu_seconds_per_image(running)
    yield {
        "cpu_ms_per_image_without_codecs": Figure(cpu_seconds.pop("without_codecs") * 1000, at_most=80),
        **{f"cpu_ms_per_image_{name}": Figure(seconds * 1000) for name, seconds in cpu_seconds.items()},
    }
    async for figures in _of_waits_and_many(running, rounds):
        yield figures


async def _of_waits_and_many(running: Stack, rounds: int) -> AsyncGenerator[dict[str, Figure]]:
    """Yield the figures of those who wait, of many rows, and of the clients."""
    waits = await waiting.costs(running)
    yield {
        "kib_of_memory_per_waiting_request": Figure(waits.kib_per_wait),
        "cpu_us_per_waiting_request": Figure(waits.cpu_us_per_wait),
        "kib_of_memory_per_event_stream": Figure(waits.kib_per_stream),
        "event_reaches_client_p99_ms": Figure(waits.event_p99_ms),
    }
    delivery_ms, delivery_ratio = await webhooks.delivery_over_idle(running)
    yield {
        "delivery_ms_while_100000_wait_for_a_dead_host": Figure(delivery_ms),
        "delivery_while_100000_wait_over_idle": Figure(delivery_ratio, at_most=3),
    }
    sweep = await expiring.sweep_over_few(running)
    yield {"sweep_of_a_million_expired_over_few": Figure(sweep, at_most=3)}
    far_page = await pages.far_over_first(running)
    yield {"page_60000_over_page_1_of_a_million": Figure(far_page, at_most=3)}
    yield (await clients.costs(running, rounds)).figures()


async def pixels(rounds: int) -> dict[str, Figure]:
    """Return the figures that need no running system."""
    faster, larger = await asyncio.to_thread(png.speed_and_size_over_pillow, rounds)
    return {
        "tile_pixels_over_picture_pixels": Figure(tiling.pixels_over_picture(), at_most=1.15),
        "tile_time_over_same_pixels_in_one_piece": Figure(
            await tiling.time_over_one_piece(rounds), at_most=1.15
        ),
        "png_speed_over_pillow": Figure(faster, at_least=20),
        "png_size_over_pillow": Figure(larger, at_most=1.25),
        "slowest_refusal_ms_of_a_parser_bomb": Figure(bombs.slowest_refusal_ms(rounds), at_most=250),
        "upload_check_in_child_over_in_process": Figure(
            await parsing.child_over_process(rounds), at_most=1.25
        ),
        "jpeg_completeness_ms_of_10_mb": Figure(completeness.milliseconds(rounds), at_most=150),
        "jpeg_completeness_ms_of_10_mb_progressive": Figure(
            completeness.milliseconds(rounds, progressive=True)
        ),
        **{
            f"cost_{name}_over_{networks.USUAL}": Figure(value)
            for name, value in (await networks.costs(3)).items()
        },
    }


async def small_images_under_load(running: Stack, counts: fairness.Counts) -> dict[str, Figure]:
    ratios = await fairness.over_idle(running, counts)
    return {f"small_image_over_idle_{name}": Figure(ratio, at_most=3) for name, ratio in ratios.items()}


async def all_figures(
    rounds: int, counts: fairness.Counts, *, only_fairness: bool
) -> AsyncGenerator[dict[str, Figure]]:
    """Yield all figures, or those of fairness alone, each group as soon as it is measured."""
    with tempfile.TemporaryDirectory(prefix="loupe-bench-") as folder:
        started = time.perf_counter()
        async with stack(Path(folder) / "state", sink=to_file(Path(folder) / "log")) as running:
            yield {"seconds_from_start_to_ready": Figure(time.perf_counter() - started, at_most=30)}
            if not only_fairness:
                async for figures in of_the_system(running, rounds):
                    yield figures
            yield await small_images_under_load(running, counts)
    if not only_fairness:
        yield await pixels(rounds)


async def run(rounds: int, counts: fairness.Counts, *, only_fairness: bool) -> None:
    """Print the figures as they come, and write all that came even if a later one fails."""
    measured: dict[str, Figure] = {}
    try:
        async with aclosing(all_figures(rounds, counts, only_fairness=only_fairness)) as groups:
            async for figures in groups:
                show(figures)
                measured |= figures
    finally:
        RESULTS.write_text(json.dumps({name: asdict(each) for name, each in measured.items()}, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often to compare with the bare process")
    parser.add_argument(
        "--only-fairness", action="store_true", help="measure only small images while another user is busy"
    )
    parser.add_argument("--queued", type=int, default=1000, help="how many images the other user queues")
    arguments = parser.parse_args()
    counts = fairness.Counts(small=min(400, arguments.queued), many=arguments.queued)
    asyncio.run(run(arguments.rounds, counts, only_fairness=arguments.only_fairness))


if __name__ == "__main__":
    main()
