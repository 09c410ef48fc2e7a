"""How a tile gets to Triton and its answer back: through the socket, or through shared memory.

How large a model's answers are is learnt from its first one, which comes through the socket. Whenever shared
memory does not do, the socket does.
"""

import math
import re
from asyncio import to_thread
from typing import Any, NamedTuple, cast

import numpy as np
from opentelemetry.trace import SpanKind
from tritonclient.grpc import InferInput, InferRequestedOutput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype

from common import log, trace
from inference.networks.network import Answer
from inference.tiling.tiles import Tensor
from inference.triton.errors import TritonFailed
from inference.triton.shared_memory import NoMemory, Region, SharedMemory

LOG = log.get(__name__)
PICTURE, DOUBT = "UPSCALED", "DOUBT"
ALIGNED = 64
TOLD = {"rpc.system.name": "grpc", "rpc.method": "inference.GRPCInferenceService/ModelInfer"}
FORGOTTEN = re.compile(r"unable to find shared memory region", re.IGNORECASE)
TOO_SMALL = re.compile(r"shared memory size specified .* should be at least", re.IGNORECASE)


class Output(NamedTuple):
    """One of a model's answers to a tile."""

    name: str
    channels: int
    scale: int
    dtype: np.dtype[np.generic]


class Place(NamedTuple):
    """Where in a region an answer comes to lie."""

    name: str
    offset: int
    size: int


class Transport:
    def __init__(self, client: InferenceServerClient, seconds: float, *, shares_memory: bool) -> None:
        self._client = client
        self._seconds = seconds
        self._regions = SharedMemory(client)
        self._shares_memory = shares_memory
        self._outputs: dict[str, list[Output]] = {}

    async def open(self) -> None:
        if self._shares_memory:
            await self._regions.remove_leftovers()

    async def close(self) -> None:
        await self._regions.close()

    async def send(self, model: str, tile: Tensor) -> Answer:
        """Raises what the client raises."""
        outputs = self._outputs.get(model)
        if not self._shares_memory or outputs is None:
            return await self._by_socket(model, tile)
        try:
            return await self._by_memory(model, tile, outputs)
        except NoMemory as error:
            if self._shares_memory:
                LOG.warning("tiles go through the socket", error=str(error))
            self._shares_memory = False
        except InferenceServerException as error:
            if FORGOTTEN.search(str(error)):  # Triton has been started again
                self._regions.forget()
            elif TOO_SMALL.search(str(error)):  # the model is another one now
                self._outputs.pop(model, None)
            else:
                raise
        return await self._by_socket(model, tile)

    async def _by_socket(self, model: str, tile: Tensor) -> Answer:
        given = a_tensor(tile)
        given.set_data_from_numpy(tile)
        answer = await self._ask(model, given, None)
        upscaled = answer.as_numpy(PICTURE)
        if upscaled is None:
            raise TritonFailed(f"{model} answered without {PICTURE}")
        found = {PICTURE: cast("Tensor", upscaled), DOUBT: cast("Tensor | None", answer.as_numpy(DOUBT))}
        if outputs := learnt(tile, found):
            self._outputs[model] = outputs
        return Answer(cast("Tensor", upscaled), found[DOUBT])

    async def _by_memory(self, model: str, tile: Tensor, outputs: list[Output]) -> Answer:
        places, size = placed(tile, outputs)
        async with self._regions.lent(size, self._seconds) as region:
            await to_thread(region.put, tile)
            given = a_tensor(tile)
            given.set_shared_memory(region.name, tile.nbytes)
            wanted = [requested(place, region) for place in places]
            answer = await self._ask(model, given, wanted)
            found = {place.name: await copied(answer, place, region) for place in places}
        return Answer(found[PICTURE], found.get(DOUBT))

    async def _ask(
        self, model: str, given: InferInput, wanted: list[InferRequestedOutput] | None
    ) -> InferResult:
        with trace.span(f"infer {model}", SpanKind.CLIENT, TOLD):
            answer = await self._client.infer(
                model,
                [given],
                outputs=wanted,
                client_timeout=self._seconds,
                headers=dict(trace.outgoing_headers()),
            )
        if answer is None:
            raise TritonFailed(f"{model} did not answer")
        return answer


def a_tensor(tile: Tensor) -> InferInput:
    return InferInput("IMAGE", list(tile.shape), np_to_triton_dtype(tile.dtype) or "")


def requested(place: Place, region: Region) -> InferRequestedOutput:
    output = InferRequestedOutput(place.name)
    output.set_shared_memory(region.name, place.size, place.offset)
    return output


def learnt(tile: Tensor, found: dict[str, Tensor | None]) -> list[Output] | None:
    """Nothing from an answer that is none."""
    outputs = list[Output]()
    for name, tensor in found.items():
        if tensor is None:
            continue
        if tensor.ndim != 4 or tensor.shape[2] % tile.shape[2]:
            return None
        outputs.append(Output(name, tensor.shape[1], tensor.shape[2] // tile.shape[2], tensor.dtype))
    return outputs


def placed(tile: Tensor, outputs: list[Output]) -> tuple[list[Place], int]:
    """Behind the tile, one after the other; and the size of all."""
    count, _, height, width = tile.shape
    places, end = list[Place](), aligned(tile.nbytes)
    for name, channels, scale, dtype in outputs:
        size = count * channels * height * width * scale * scale * dtype.itemsize
        places.append(Place(name, end, size))
        end += aligned(size)
    return places, end


def aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED


async def copied(answer: InferResult, place: Place, region: Region) -> Tensor:
    """In the shape that Triton tells, whatever was expected."""
    output: Any = answer.get_output(place.name)
    if output is None:
        raise TritonFailed(f"no {place.name} was answered")
    shape, dtype = tuple(output.shape), np.dtype(triton_to_np_dtype(output.datatype))
    if math.prod(shape) * dtype.itemsize > place.size:
        raise TritonFailed(f"{place.name} is larger than its place")
    return await to_thread(region.copy, shape, dtype, place.offset)
