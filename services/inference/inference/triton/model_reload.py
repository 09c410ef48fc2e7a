"""Loads models again that died inside a running Triton.

Triton's Python back end never restarts a dead process, and still calls the model ready: every tile fails
until the model is unloaded and loaded. A Triton with the control mode `none` refuses that. Then the worker
reports that it is not ready, and its attempts are excused. Only a restart of Triton helps, so Triton's own
liveness probe must infer a tile. The worker's liveness probe must not fail, because restarting the worker
would not help.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable

from prometheus_client import Counter
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from common import log
from inference.triton.errors import ModelDied, TritonFailed, TritonUnavailable

LOG = log.get(__name__)
LOAD_SECONDS, PROBE_SECONDS, CLOSING_SECONDS = 60.0, 5.0, 10.0
MAX_POLLS, POLL_SECONDS = 40, 0.05
"""A model is polled for two seconds at most. One whose process died during a tile never becomes fully
unloaded, but can still be loaded.
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
        """Return how often the model was reloaded. Pass the number to `reload`, so that several tiles
        that wait for the model reload it only once.
        """
        return self._counts[model]

    async def reload(self, model: str, count: int) -> None:
        """Return once the model answers again. Raises `TritonUnavailable` if Triton cannot load it.

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
            reloading.exception()  # marks it as retrieved, in case the caller was cancelled

    async def _reload_once(self, model: str, count: int) -> None:
        async with self._locks[model]:
            if self._counts[model] != count:
                return
            try:
                if not await self._answers(model):
                    await self._unload_and_load(model)
            except (InferenceServerException, TritonFailed) as error:
                reloads.labels(model, "failed").inc()
                raise TritonUnavailable(
                    f"{model} died, and Triton could not load it again: {error}"
                ) from error
            self._counts[model] += 1

    async def _answers(self, model: str) -> bool:
        """Return whether the model answers: another worker may have reloaded it, or may be doing so."""
        for _ in range(MAX_POLLS):
            if await self._client.is_model_ready(model, client_timeout=PROBE_SECONDS):
                break
            await asyncio.sleep(POLL_SECONDS)
        try:
            await self._probe(model)
        except ModelDied:
            return False
        return True

    async def _unload_and_load(self, model: str) -> None:
        LOG.warning("a model died inside Triton; loading it again", model=model)
        started = time.monotonic()
        await self._client.unload_model(model, client_timeout=PROBE_SECONDS)
        for _ in range(MAX_POLLS):
            if not await self._is_unloading(model):
                break
            await asyncio.sleep(POLL_SECONDS)
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
