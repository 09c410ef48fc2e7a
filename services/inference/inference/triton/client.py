"""Tensors to NVIDIA Triton and back over gRPC, a few at a time: the queue is here, for Triton has none that
we trust. Its word that a model is ready is not trusted either: what has not answered for a while is asked.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from prometheus_client import Counter, Gauge, Histogram
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from common import log, process
from inference.networks.network import Answer
from inference.networks.output_checks import check
from inference.tiling.tiles import Tensor
from inference.triton.capacity import Capacity
from inference.triton.errors import (
    ModelBroken,
    ModelDied,
    ModelGone,
    TritonAway,
    TritonFailed,
    TritonSlow,
    failure_of,
)
from inference.triton.model_reload import PROBE_SECONDS, ModelReloader
from inference.triton.transport import Transport

LOG = log.get(__name__)
KIND_GPU = 1
"""Of an instance group, in Triton's model configuration."""
SIDE = 64
RAMP = np.linspace(64, 192, SIDE, dtype=np.uint8)
CANARY = np.ascontiguousarray(np.broadcast_to(RAMP, (1, 3, SIDE, SIDE)))
"""Asked for its own sake: no model turns it black or into one colour."""
CANARIES = {"uint8": CANARY, "float32": CANARY.astype(np.float32) / np.float32(255)}

tile_seconds = Histogram(
    "loupe_triton_seconds",
    "One tile at Triton, from the request to the answer",
    ["model", "outcome"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
tiles = Counter("loupe_tiles_total", "Tiles that a model has enlarged", ["model"])
tiles_waiting = Gauge("loupe_tiles_waiting", "Tiles that wait for their turn at Triton")
tiles_in_flight = Gauge("loupe_tiles_in_flight", "Tiles at Triton")
models_up = Gauge("loupe_triton_model_up", "Whether the model answered when it was last asked", ["model"])


class Triton:
    def __init__(
        self, target: str, *, seconds: float, in_flight: int = 2, shares_memory: bool = False
    ) -> None:
        self._client = InferenceServerClient(target)
        self._free = asyncio.Semaphore(in_flight)
        self._transport = Transport(self._client, seconds, shares_memory=shares_memory)
        self._revival = ModelReloader(self._client, self._ask_canary)
        self._again: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._known = set[str]()
        """Models that have answered ever."""
        self._answered_at: dict[str, float] = {}
        self._unwell = set[str]()
        self._broken = set[str]()
        """Models that answered a test tile wrongly when they were last asked one."""

    @property
    def is_well(self) -> bool:
        """Whether every model answered when it was last asked, and rightly."""
        return not self._unwell and not self._broken

    @property
    def is_broken(self) -> bool:
        """Whether it answers wrongly, and so is worse than none: it would fail one image after the other."""
        return bool(self._broken)

    def allow(self, in_flight: int) -> None:
        """So many tiles at a time from now on."""
        self._free = asyncio.Semaphore(in_flight)

    async def capacity(self, model: str) -> Capacity:
        """As the model is configured; raises where it is not."""
        found = await self._client.get_model_config(model, client_timeout=PROBE_SECONDS)
        config: Any = found.config if found else None
        kinds = [group for group in config.instance_group if group.kind == KIND_GPU]
        groups = kinds or config.instance_group
        instances = sum(max(1, group.count) * max(1, len(group.gpus)) for group in groups)
        is_gpu = bool(kinds) or config.platform == "tensorrt_plan"
        return Capacity(is_gpu, max(1, instances), max(1, config.max_batch_size))

    async def open(self) -> None:
        """Removes what workers left that were killed."""
        await self._transport.open()

    async def close(self) -> None:
        await self._revival.close()
        await self._transport.close()
        await self._client.close()

    async def wait_ready(self, *models: str) -> None:
        """Raises unless each is loaded, or can be. The server's own readiness turns false while any loads."""
        for model in models:
            if not await self.has(model):
                try:
                    await self._revival.load(model)
                except InferenceServerException as error:
                    raise TritonFailed(f"the model {model} is not ready: {error}") from error

    async def is_there(self) -> bool:
        """Whether it can be reached at all."""
        try:
            await self._client.is_server_live(client_timeout=PROBE_SECONDS)
        except InferenceServerException as error:
            return not isinstance(failure_of("Triton", error), TritonAway | TritonSlow)
        return True

    async def has(self, model: str) -> bool:
        """Whether it is loaded."""
        try:
            return bool(await self._client.is_model_ready(model, client_timeout=PROBE_SECONDS))
        except InferenceServerException as error:
            raise TritonAway(f"{model}: {error}") from error

    async def infer(self, model: str, tile: Tensor) -> Answer:
        """`tile` is uint8 or float32, N x 3 x height x width; asks for all outputs that the model has. A
        model that died is brought back, and the tile asked again.
        """
        free = self._free
        with tiles_waiting.track_inprogress():
            await free.acquire()
        try:
            return await self._asked(model, tile)
        finally:
            free.release()

    async def ask_canaries(self, models: Iterable[str], unless_within: float = 0.0) -> None:
        """Each model that has not answered for so many seconds; raises the last one's error."""
        failed: TritonFailed | None = None
        for model in models:
            since = time.monotonic() - self._answered_at.get(model, -unless_within)
            if since < unless_within and model not in self._broken:
                continue
            try:
                check_canary(model, await self.infer(model, canary_of(model)))
                self._broken.discard(model)
            except TritonFailed as error:
                self._mark(model, is_well=False)
                self._broken |= {model} if isinstance(error, ModelBroken) else set()
                failed = error
        if failed:
            raise failed

    async def look_after(self, models: Callable[[], Iterable[str]], seconds: float) -> None:
        """For ever; readiness follows what the models answer."""

        async def step() -> None:
            served = sorted(models())
            self._unwell.intersection_update(served)
            self._broken.intersection_update(served)
            try:
                await self.ask_canaries(served, seconds)
            except TritonFailed as error:
                LOG.warning("a model does not answer", error=str(error))

        await process.every(seconds, step)

    async def _asked(self, model: str, tile: Tensor) -> Answer:
        """A tile may be what its model dies of, and others are lost with it. So they are asked again one at a
        time, twice each.
        """
        times = self._revival.times(model)
        try:
            return await self._asked_once(model, tile)
        except ModelDied as error:
            if isinstance(error, ModelGone) and model not in self._known:
                raise
        async with self._again[model]:
            await self._revive(model, times)
            times = self._revival.times(model)
            try:
                return await self._asked_once(model, tile)
            except ModelDied:
                await self._revive(model, times)
            return await self._asked_once(model, tile)

    async def _revive(self, model: str, times: int) -> None:
        try:
            await self._revival.of(model, times)
        except TritonAway:
            self._mark(model, is_well=False)
            raise

    async def _asked_once(self, model: str, tile: Tensor) -> Answer:
        started, outcome = time.perf_counter(), "cancelled"
        try:
            with tiles_in_flight.track_inprogress():
                answer = await self._transport.send(model, tile)
            outcome = "done"
        except InferenceServerException as error:
            failure = failure_of(model, error)
            outcome = failure.outcome
            raise failure from error
        except TritonFailed as error:
            outcome = error.outcome
            raise
        finally:
            tile_seconds.labels(model, outcome).observe(time.perf_counter() - started)
        tiles.labels(model).inc()
        self._mark(model, is_well=True)
        return answer

    async def _ask_canary(self, model: str) -> None:
        check_canary(model, await self._asked_once(model, canary_of(model)))

    def _mark(self, model: str, *, is_well: bool) -> None:
        models_up.labels(model).set(is_well)
        if is_well:
            self._known.add(model)
            self._answered_at[model] = time.monotonic()
            self._unwell.discard(model)
        else:
            self._answered_at.pop(model, None)
            self._unwell.add(model)


def canary_of(model: str) -> Tensor:
    return CANARIES["float32" if model.endswith("_float") else "uint8"]


def check_canary(model: str, answer: Answer) -> None:
    scale = max(1, answer.upscaled.shape[-1] // SIDE)
    if problem := check(canary_of(model), answer, scale):
        raise ModelBroken(f"{model} answered {problem} for a test tile")
