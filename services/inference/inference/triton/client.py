"""Sends tensors to NVIDIA Triton over gRPC, a few at a time.

Tiles are queued here, because Triton's queues are not reliable enough. Nor does Triton's readiness prove that
a model works, so a model that has not answered for a while gets a test tile.
"""

import asyncio
import contextlib
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from prometheus_client import Counter, Gauge, Histogram
from tritonclient.utils import InferenceServerException

from common import log, process
from inference.networks.network import Answer, Tensor
from inference.triton.canary import canary_for, check_canary
from inference.triton.capacity import Capacity
from inference.triton.errors import (
    ModelBroken,
    ModelDied,
    ModelNotLoaded,
    TritonFailed,
    TritonTimeout,
    TritonUnavailable,
    translate_error,
)
from inference.triton.model_reload import PROBE_SECONDS, ModelReloader
from inference.triton.renewed_client import RenewedClient
from inference.triton.tile_turns import TileTurns, Turn
from inference.triton.transport import UPSCALED, Request, Secret, Transport

LOG = log.get(__name__)
OWN = "own_"
"""Begins the names of the networks that `loupe-admin models check` has written."""
KIND_GPU = 1
"""The kind of an instance group in Triton's model configuration."""

tile_seconds = Histogram(
    "loupe_triton_seconds",
    "One tile at Triton, from the request to the answer",
    ["model", "outcome"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
tiles = Counter("loupe_tiles_total", "Tiles that a model has enlarged", ["model"])
tiles_waiting = Gauge("loupe_tiles_waiting", "Tiles that wait for their turn at Triton")
tiles_in_flight = Gauge("loupe_tiles_in_flight", "Tiles at Triton")
models_up = Gauge("loupe_triton_model_up", "Whether the model answered its last tile", ["model"])


class Triton:
    def __init__(
        self,
        target: str,
        *,
        seconds: float,
        in_flight: int = 2,
        shares_memory: bool = False,
        secret: str = "",
    ) -> None:
        """`target` is `host:port`; `seconds` limits each tile. `secret` goes with each request."""
        self._client = RenewedClient(target)
        if secret:
            self._client.register_plugin(Secret(secret))
        self._turns = TileTurns(in_flight)
        self._transport = Transport(self._client, seconds, shares_memory=shares_memory)
        self._reloader = ModelReloader(self._client, self._probe)
        self._retry_locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._has_answered = set[str]()
        self._answered_at: dict[str, float] = {}
        self.is_gpu = False
        """Whether engines on a GPU run the models."""
        self._contexts: dict[str, Tensor] = {}
        """A second input for the test tile of each model that takes one."""
        self._failing = set[str]()
        self._broken = set[str]()
        """Models that answered their last test tile wrongly."""

    @property
    def is_healthy(self) -> bool:
        """True if every model answered its last tile, and its last test tile correctly."""
        return not self._failing and not self._broken

    @property
    def is_broken(self) -> bool:
        """True if a model answers wrongly. That is worse than no Triton: one image after the other would
        fail.
        """
        return bool(self._broken)

    def limit_in_flight(self, in_flight: int) -> None:
        """Set how many tiles may be at Triton at the same time."""
        self._turns = TileTurns(in_flight)

    async def capacity(self, model: str) -> Capacity:
        """Return the resources in the model's configuration. Raises `InferenceServerException` if there is no
        such model.
        """
        config = await self._configuration(model)
        gpu_groups = [group for group in config.instance_group if group.kind == KIND_GPU]
        groups = gpu_groups or config.instance_group
        instances = sum(max(1, group.count) * max(1, len(group.gpus)) for group in groups)
        is_gpu = bool(gpu_groups) or config.platform == "tensorrt_plan"
        return Capacity(is_gpu, max(1, instances), max(1, config.max_batch_size))

    async def read_parameter(self, parameter: str) -> dict[str, str]:
        """Return this parameter of each loaded model's configuration; models without it are left out.

        Raises `TritonFailed`.
        """
        found: dict[str, str] = {}
        try:
            for model in await self._models(is_ready=True):
                config = await self._configuration(model)
                if parameter in config.parameters:
                    found[model] = config.parameters[parameter].string_value
        except InferenceServerException as error:
            raise translate_error("Triton", error) from error
        return found

    async def load_missing(self) -> None:
        """Load each of Loupe's models that Triton lists as not ready, as after a worker died during a reload.

        Triton's own readiness is no help: it turns false while any model is being loaded. A model that the
        operator has added is not needed, and one that is broken might keep Triton waiting for ever.
        Raises `TritonFailed`.
        """
        try:
            for model in await self._models(is_ready=False):
                if not model.startswith(OWN):
                    await self._reloader.load(model)
        except InferenceServerException as error:
            raise translate_error("Triton", error) from error

    async def open(self) -> None:
        """Remove the shared memory that killed workers left."""
        await self._transport.open()

    async def close(self) -> None:
        await self._reloader.close()
        await self._transport.close()
        await self._client.close()

    async def is_reachable(self) -> bool:
        """Return whether Triton can be reached at all."""
        try:
            await self._client.is_server_live(client_timeout=PROBE_SECONDS)
        except InferenceServerException as error:
            return not isinstance(translate_error("Triton", error), TritonUnavailable | TritonTimeout)
        return True

    async def has(self, model: str) -> bool:
        """Return whether the model is loaded. Raises `TritonUnavailable`."""
        try:
            return bool(await self._client.is_model_ready(model, client_timeout=PROBE_SECONDS))
        except InferenceServerException as error:
            raise TritonUnavailable(f"{model}: {error}") from error

    async def infer(
        self,
        model: str,
        tile: Tensor,
        context: Tensor | None = None,
        output: str = UPSCALED,
        *,
        turn: Turn | None = None,
        is_exact: bool = False,
    ) -> Answer:
        """Return all outputs of the model for a tile of N x 3 x height x width, uint8 or float32.

        `is_exact` demands single precision, which an engine has or has not.

        A model with a second input takes that as `context`. It returns one `output`, in the place of the
        enlarged tile. Without a `turn` it waits for none; see `TileTurns`. A model that died is loaded
        again and gets the tile again. Raises `TritonFailed`.
        """
        pixels = tile.shape[0] * tile.shape[2] * tile.shape[3]
        async with contextlib.AsyncExitStack() as slot:
            with tiles_waiting.track_inprogress():
                await slot.enter_async_context(self._turns.take(turn or Turn(), pixels))
            return await self._infer_with_retries(Request(model, tile, context, output, is_exact))

    async def send_canaries(self, models: Iterable[str], unless_within: float = 0.0) -> None:
        """Send a test tile to each model that has not answered within that many seconds.

        All models are tested. Then the last `TritonFailed` is raised, if there was one.
        """
        failed: TritonFailed | None = None
        for model in models:
            idle_seconds = time.monotonic() - self._answered_at.get(model, -math.inf)
            if idle_seconds < unless_within and model not in self._broken:
                continue
            try:
                check_canary(model, await self.infer(model, canary_for(model)))
                self._broken.discard(model)
            except TritonFailed as error:
                self._mark(model, is_healthy=False)
                self._broken |= {model} if isinstance(error, ModelBroken) else set()
                failed = error
        if failed:
            raise failed

    async def watch(self, models: Callable[[], Iterable[str]], seconds: float) -> None:
        """Test each model that has not answered for that many seconds, for ever."""

        async def step() -> None:
            served = sorted(models())
            self._failing.intersection_update(served)
            self._broken.intersection_update(served)
            try:
                await self.send_canaries(served, seconds)
            except TritonFailed as error:
                LOG.warning(
                    "a model failed its test tile; the worker is not ready until it answers", error=str(error)
                )

        await process.every(seconds, step)

    async def _configuration(self, model: str) -> Any:
        found = await self._client.get_model_config(model, client_timeout=PROBE_SECONDS)
        return found.config if found else None

    async def _models(self, *, is_ready: bool) -> list[str]:
        index: Any = await self._client.get_model_repository_index(client_timeout=PROBE_SECONDS)
        return sorted({entry.name for entry in index.models if (entry.state == "READY") is is_ready})

    async def _infer_with_retries(self, request: Request) -> Answer:
        """Send a tile. If its model died, reload the model and send the tile again, twice at most and one at
        a time.

        The model may have died of this tile or of another one that was lost with it.
        """
        model = request.model
        if request.context is not None:
            self._contexts[model] = np.zeros_like(request.context[:1])
        reloads = self._reloader.count(model)
        try:
            return await self._infer_once(request)
        except ModelDied as error:
            if isinstance(error, ModelNotLoaded) and model not in self._has_answered:
                raise
        async with self._retry_locks[model]:
            await self._reload(model, reloads)
            reloads = self._reloader.count(model)
            try:
                return await self._infer_once(request)
            except ModelDied:
                await self._reload(model, reloads)
            return await self._infer_once(request)

    async def _reload(self, model: str, reloads: int) -> None:
        try:
            await self._reloader.reload(model, reloads)
        except TritonUnavailable:
            self._mark(model, is_healthy=False)
            raise

    async def _infer_once(self, request: Request) -> Answer:
        model = request.model
        started, outcome = time.perf_counter(), "cancelled"
        try:
            with tiles_in_flight.track_inprogress():
                answer = await self._transport.send(request)
            outcome = "done"
        except InferenceServerException as error:
            failure = translate_error(model, error)
            outcome = failure.outcome
            raise failure from error
        except TritonFailed as error:
            outcome = error.outcome
            raise
        finally:
            tile_seconds.labels(model, outcome).observe(time.perf_counter() - started)
        tiles.labels(model).inc()
        self._mark(model, is_healthy=True)
        if self.is_gpu and not answer.precision:
            return answer._replace(precision="f16" if request.tile.dtype == np.uint8 else "f32")
        return answer

    async def _probe(self, model: str) -> None:
        request = Request(model, canary_for(model), self._contexts.get(model))
        check_canary(model, await self._infer_once(request))

    def _mark(self, model: str, *, is_healthy: bool) -> None:
        models_up.labels(model).set(is_healthy)
        if is_healthy:
            self._has_answered.add(model)
            self._answered_at[model] = time.monotonic()
            self._failing.discard(model)
        else:
            self._answered_at.pop(model, None)
            self._failing.add(model)
