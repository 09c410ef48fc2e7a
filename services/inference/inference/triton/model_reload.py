"""Loads models again that died inside a running Triton.

Triton's Python back end never restarts a dead process, and still calls the model ready: every tile fails
until the model is unloaded and loaded. A Triton with the control mode `none` refuses that. Then the worker
reports that it is not ready and its attempts are excused. Only a new Triton helps, so Triton's own liveness
probe must infer a tile. The worker's liveness probe must not fail in that case, because a restart of the
worker helps nobody.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable

from prometheus_client import Counter
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from common import log
from inference.triton.errors import ModelDied, TritonAway, TritonFailed

LOG = log.get(__name__)
LOAD_SECONDS, PROBE_SECONDS, CLOSING_SECONDS = 60.0, 5.0, 10.0
MAX_LOOKS, PAUSE_SECONDS = 40, 0.05
"""Two seconds. A model whose process died during a tile never becomes quite unloaded, but can still be
loaded.
"""

reloads = Counter(
    "loupe_triton_reloads_total", "Models loaded again after they had died", ["model", "outcome"]
)


class ModelReloader:
    """Reloads each model only once at a time. `probe` infers a tile, or raises `ModelDied`."""

    def __init__(self, client: InferenceServerClient, probe: Callable[[str], Awaitable[None]]) -> None:
        self._client = client
        self._probe = probe
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._under_way = set[asyncio.Task[None]]()

    def count(self, model: str) -> int:
        """Return how often the model was reloaded. Pass it to `reload`, so that waiting tiles do not repeat
        it.
        """
        return self._counts[model]

    async def reload(self, model: str, count: int) -> None:
        """Return once the model answers again. Raises `TritonAway` if Triton cannot load it.

        The reload continues even if the caller is cancelled: a model that was only unloaded would be missing.
        """
        reloading = asyncio.create_task(self._reload_once(model, count))
        self._under_way.add(reloading)
        reloading.add_done_callback(self._ended)
        await asyncio.shield(reloading)

    async def load(self, model: str) -> None:
        """Load a model that is missing, for instance because a worker was killed during a reload."""
        await self._client.load_model(model, client_timeout=LOAD_SECONDS)

    async def close(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=CLOSING_SECONDS)

    def _ended(self, reloading: asyncio.Task[None]) -> None:
        self._under_way.discard(reloading)
        if not reloading.cancelled():
            reloading.exception()  # marks it as retrieved, in case nobody waits any more

    async def _reload_once(self, model: str, count: int) -> None:
        async with self._locks[model]:
            if self._counts[model] != count:
                return
            try:
                if not await self._answers(model):
                    await self._unload_and_load(model)
            except (InferenceServerException, TritonFailed) as error:
                reloads.labels(model, "failed").inc()
                raise TritonAway(f"{model} died, and Triton does not bring it back: {error}") from error
            self._counts[model] += 1

    async def _answers(self, model: str) -> bool:
        """Another worker may have reloaded the model, or may be doing so."""
        for _ in range(MAX_LOOKS):
            if await self._client.is_model_ready(model, client_timeout=PROBE_SECONDS):
                break
            await asyncio.sleep(PAUSE_SECONDS)
        try:
            await self._probe(model)
        except ModelDied:
            return False
        return True

    async def _unload_and_load(self, model: str) -> None:
        LOG.warning("a model died inside Triton; loading it again", model=model)
        started = time.monotonic()
        await self._client.unload_model(model, client_timeout=PROBE_SECONDS)
        for _ in range(MAX_LOOKS):
            if not await self._is_unloading(model):
                break
            await asyncio.sleep(PAUSE_SECONDS)
        await self._client.load_model(model, client_timeout=LOAD_SECONDS)
        await self._probe(model)
        reloads.labels(model, "done").inc()
        seconds = round(time.monotonic() - started, 2)
        LOG.warning("the model was loaded again and answers", model=model, seconds=seconds)

    async def _is_unloading(self, model: str) -> bool:
        index = await self._client.get_model_repository_index(client_timeout=PROBE_SECONDS)
        return any(
            entry.name == model and entry.state == "UNLOADING" for entry in (index.models if index else ())
        )
