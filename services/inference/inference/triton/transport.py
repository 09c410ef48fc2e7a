"""Sends a tile to Triton and receives the answer, through the socket or through shared memory.

A model's first answer comes through the socket and shows how large its answers are. If shared memory cannot
be used, all tiles go through the socket.
"""

import math
import re
from asyncio import to_thread
from typing import Any, NamedTuple, cast

import numpy as np
from opentelemetry.trace import SpanKind
from tritonclient.grpc import InferenceServerClientPlugin, InferInput, InferRequestedOutput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype

from common import log, trace
from inference.networks.network import Answer, Tensor
from inference.triton.errors import TritonFailed
from inference.triton.shared_memory import NoSharedMemory, Region, SharedMemory

LOG = log.get(__name__)
INPUT, CONTEXT, UPSCALED, UNCERTAINTY, PRECISION = "IMAGE", "CONTEXT", "UPSCALED", "DOUBT", "PRECISION"
"""The names of the tensors in each model's configuration. Only models on a CPU have the last one."""
EXACT = {"precision": "exact"}
"""The parameter of a request that must be computed in single precision. Only models on a CPU know it."""
ALIGNMENT = 64
SPAN_ATTRIBUTES = {"rpc.system.name": "grpc", "rpc.method": "inference.GRPCInferenceService/ModelInfer"}
UNKNOWN_REGION = re.compile(r"unable to find shared memory region", re.IGNORECASE)
TOO_SMALL = re.compile(r"shared memory size specified .* should be at least", re.IGNORECASE)


class Request(NamedTuple):
    """A tile for a model."""

    model: str
    tile: Tensor
    context: Tensor | None = None
    """The second input of a model that takes one. Such a model returns `output` only."""
    output: str = UPSCALED
    is_exact: bool = False
    """Whether it must be computed in single precision."""


class OutputShape(NamedTuple):
    """The size of one of a model's outputs, relative to the tile."""

    name: str
    channels: int
    scale: int
    dtype: np.dtype[np.generic]


class OutputSlot(NamedTuple):
    """The place in a region to which Triton writes an output."""

    name: str
    offset: int
    size: int


class Secret(InferenceServerClientPlugin):
    """Adds the secret to each request, in the header that Triton expects."""

    def __init__(self, secret: str) -> None:
        self._headers = {"triton-grpc-protocol-loupe-secret": secret}

    def __call__(self, request: Any) -> None:
        request.headers = (request.headers or {}) | self._headers


class Transport:
    def __init__(self, client: InferenceServerClient, seconds: float, *, shares_memory: bool) -> None:
        """`seconds` limits each request."""
        self._client = client
        self._seconds = seconds
        self._shared_memory = SharedMemory(client)
        self._shares_memory = shares_memory
        self._outputs: dict[str, list[OutputShape]] = {}
        self._naming_precision = set[str]()
        """The models that say in which precision they computed."""

    async def open(self) -> None:
        if self._shares_memory:
            await self._shared_memory.remove_leftovers()

    async def close(self) -> None:
        await self._shared_memory.close()

    async def send(self, request: Request) -> Answer:
        """Return the model's answer. Raises the client's `InferenceServerException`, or `TritonFailed`."""
        model, tile, is_exact = request.model, request.tile, request.is_exact
        if request.context is not None:
            return await self._send_with_context(request, request.context)
        outputs = self._outputs.get(model)
        if not self._shares_memory or outputs is None:
            return await self._send_through_socket(model, tile, is_exact=is_exact)
        try:
            return await self._send_through_memory(model, tile, outputs, is_exact=is_exact)
        except NoSharedMemory as error:
            if self._shares_memory:
                LOG.warning("shared memory cannot be used; tiles go through the socket", error=str(error))
            self._shares_memory = False
        except InferenceServerException as error:
            if UNKNOWN_REGION.search(str(error)):  # Triton was restarted
                self._shared_memory.forget_registrations()
            elif TOO_SMALL.search(str(error)):  # the model was replaced by another one
                self._outputs.pop(model, None)
            else:
                raise
        return await self._send_through_socket(model, tile, is_exact=is_exact)

    async def _send_through_socket(self, model: str, tile: Tensor, *, is_exact: bool) -> Answer:
        request = infer_input(tile)
        request.set_data_from_numpy(tile)
        result = await self._request(model, [request], None, is_exact=is_exact)
        upscaled = result.as_numpy(UPSCALED)
        if upscaled is None:
            raise TritonFailed(f"{model} answered without {UPSCALED}")
        found = {
            UPSCALED: cast("Tensor", upscaled),
            UNCERTAINTY: cast("Tensor | None", result.as_numpy(UNCERTAINTY)),
        }
        if outputs := learn_outputs(tile, found):
            self._outputs[model] = outputs
        precision = precision_of(result)
        if precision:
            self._naming_precision.add(model)
        return Answer(cast("Tensor", upscaled), found[UNCERTAINTY], precision)

    async def _send_with_context(self, request: Request, context: Tensor) -> Answer:
        """Send a tile with its context through the socket. The network takes far longer than the transfer."""
        inputs = [infer_input(request.tile), infer_input(context, CONTEXT)]
        for each, tensor in zip(inputs, (request.tile, context), strict=True):
            each.set_data_from_numpy(tensor)
        requested = [InferRequestedOutput(request.output)]
        result = await self._request(request.model, inputs, requested)
        found = result.as_numpy(request.output)
        if found is None:
            raise TritonFailed(f"{request.model} answered without {request.output}")
        return Answer(cast("Tensor", found))

    async def _send_through_memory(
        self, model: str, tile: Tensor, outputs: list[OutputShape], *, is_exact: bool
    ) -> Answer:
        slots, size = allocate_outputs(tile, outputs)
        async with self._shared_memory.borrow(size, self._seconds) as region:
            await to_thread(region.put, tile)
            request = infer_input(tile)
            request.set_shared_memory(region.name, tile.nbytes)
            requested = [requested_output(slot, region) for slot in slots]
            if model in self._naming_precision:
                requested.append(InferRequestedOutput(PRECISION))
            result = await self._request(model, [request], requested, is_exact=is_exact)
            found = {slot.name: await copy_output(result, slot, region) for slot in slots}
        return Answer(found[UPSCALED], found.get(UNCERTAINTY), precision_of(result))

    async def _request(
        self,
        model: str,
        inputs: list[InferInput],
        outputs: list[InferRequestedOutput] | None,
        *,
        is_exact: bool = False,
    ) -> InferResult:
        with trace.span(f"infer {model}", SpanKind.CLIENT, SPAN_ATTRIBUTES):
            result = await self._client.infer(
                model,
                inputs,
                outputs=outputs,
                client_timeout=self._seconds,
                headers=dict(trace.outgoing_headers()),
                parameters=EXACT if is_exact else None,
            )
        if result is None:
            raise TritonFailed(f"{model} did not answer")
        return result


def infer_input(tile: Tensor, name: str = INPUT) -> InferInput:
    return InferInput(name, list(tile.shape), np_to_triton_dtype(tile.dtype) or "")


def requested_output(slot: OutputSlot, region: Region) -> InferRequestedOutput:
    output = InferRequestedOutput(slot.name)
    output.set_shared_memory(region.name, slot.size, slot.offset)
    return output


def precision_of(result: InferResult) -> str:
    """Return the precision that the model computed in, or an empty string if it does not say."""
    names = result.as_numpy(PRECISION)
    return "" if names is None else bytes(cast("Any", names).flat[0]).decode()


def learn_outputs(tile: Tensor, found: dict[str, Tensor | None]) -> list[OutputShape] | None:
    """Return the sizes of the outputs, or None if one has an unexpected shape."""
    outputs = list[OutputShape]()
    for name, tensor in found.items():
        if tensor is None:
            continue
        if tensor.ndim != 4 or tensor.shape[2] % tile.shape[2]:
            return None
        outputs.append(OutputShape(name, tensor.shape[1], tensor.shape[2] // tile.shape[2], tensor.dtype))
    return outputs


def allocate_outputs(tile: Tensor, outputs: list[OutputShape]) -> tuple[list[OutputSlot], int]:
    """Return a slot for each output, after the tile, and the size in bytes of the tile and all outputs."""
    count, _, height, width = tile.shape
    slots, end = list[OutputSlot](), align(tile.nbytes)
    for name, channels, scale, dtype in outputs:
        size = count * channels * height * width * scale * scale * dtype.itemsize
        slots.append(OutputSlot(name, end, size))
        end += align(size)
    return slots, end


def align(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


async def copy_output(result: InferResult, slot: OutputSlot, region: Region) -> Tensor:
    """Return a copy of an output, with the shape and type that Triton reports. Raises `TritonFailed`."""
    output: Any = result.get_output(slot.name)
    if output is None:
        raise TritonFailed(f"the answer lacks {slot.name}")
    shape, dtype = tuple(output.shape), np.dtype(triton_to_np_dtype(output.datatype))
    if math.prod(shape) * dtype.itemsize > slot.size:
        raise TritonFailed(f"{slot.name} is larger than its slot in shared memory")
    return await to_thread(region.copy, shape, dtype, slot.offset)
