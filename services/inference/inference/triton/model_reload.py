"""Models that died inside a running Triton are loaded again.

Triton's Python back end never starts a dead process again, and calls the model ready all the same: every
tile fails until the model is unloaded and loaded. A Triton that loads nothing on demand (control mode `none`)
refuses that. Then the worker is not ready, and its attempts are excused; what helps is a new Triton, so its
own liveness probe must infer a tile, as we do. Ours must not fail: starting us again helps nobody.
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
LOOKS, PAUSE_SECONDS = 40, 0.05
"""Two seconds: a model whose process died at a tile is never quite unloaded, but loads all the same."""

reloads = Counter(
    "loupe_triton_reloads_total", "Models loaded again after they had died", ["model", "outcome"]
)


class ModelReloader:
    """`alive` infers a tile, or raises `ModelDied`."""

    def __init__(self, client: InferenceServerClient, alive: Callable[[str], Awaitable[None]]) -> None:
        self._client = client
        self._alive = alive
        self._turn: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._times: defaultdict[str, int] = defaultdict(int)
        self._under_way = set[asyncio.Task[None]]()

    def times(self, model: str) -> int:
        """How often it was brought back; given to `of`, so that tiles that waited do not do it again."""
        return self._times[model]

    async def of(self, model: str, times: int) -> None:
        """Returns once the model answers; raises `TritonAway` where Triton cannot bring it back. It goes on
        when nobody waits any more: a model that is only unloaded would be gone.
        """
        reviving = asyncio.create_task(self._bring_back(model, times))
        self._under_way.add(reviving)
        reviving.add_done_callback(self._ended)
        await asyncio.shield(reviving)

    async def load(self, model: str) -> None:
        """One that is not there, as after a worker that was killed while it brought it back."""
        await self._client.load_model(model, client_timeout=LOAD_SECONDS)

    async def close(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=CLOSING_SECONDS)

    def _ended(self, reviving: asyncio.Task[None]) -> None:
        self._under_way.discard(reviving)
        if not reviving.cancelled():
            reviving.exception()  # seen, also where nobody waited for it

    async def _bring_back(self, model: str, times: int) -> None:
        async with self._turn[model]:
            if self._times[model] != times:
                return
            try:
                if not await self._answers(model):
                    await self._load_again(model)
            except (InferenceServerException, TritonFailed) as error:
                reloads.labels(model, "failed").inc()
                raise TritonAway(f"{model} died, and Triton does not bring it back: {error}") from error
            self._times[model] += 1

    async def _answers(self, model: str) -> bool:
        """Another worker may have brought it back, or be about to."""
        for _ in range(LOOKS):
            if await self._client.is_model_ready(model, client_timeout=PROBE_SECONDS):
                break
            await asyncio.sleep(PAUSE_SECONDS)
        try:
            await self._alive(model)
        except ModelDied:
            return False
        return True

    async def _load_again(self, model: str) -> None:
        LOG.warning("a model died and is loaded again", model=model)
        started = time.monotonic()
        await self._client.unload_model(model, client_timeout=PROBE_SECONDS)
        for _ in range(LOOKS):
            if not await self._is_unloading(model):
                break
            await asyncio.sleep(PAUSE_SECONDS)
        await self._client.load_model(model, client_timeout=LOAD_SECONDS)
        await self._alive(model)
        reloads.labels(model, "done").inc()
        LOG.warning("the model is back", model=model, seconds=round(time.monotonic() - started, 2))

    async def _is_unloading(self, model: str) -> bool:
        index = await self._client.get_model_repository_index(client_timeout=PROBE_SECONDS)
        return any(
            entry.name == model and entry.state == "UNLOADING" for entry in (index.models if index else ())
        )
