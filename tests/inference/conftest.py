"""A small server that speaks Triton's protocol and answers as a test wants, and the service `images`."""

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from inference.triton.client import Triton
from loupe_local.stores import Stores
from tests.images.harness import Harness, run_harness

Request = Any
Answer = Callable[[Request, Any], Awaitable[Any]]


class FaultyTriton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """A Triton that answers requests with `answer`, which a test may replace at any time."""

    def __init__(self) -> None:
        self.answer: Answer = doubled
        self.requests = 0
        """How many tiles were requested."""
        self.target = ""
        """The server's address."""

    async def ModelInfer(self, request: Request, context: Any) -> Any:
        self.requests += 1
        return await self.answer(request, context)


def pixels_of(request: Request) -> np.ndarray[Any, Any]:
    """Return the tile of a request (1 x channels x height x width)."""
    shape = tuple(request.inputs[0].shape)
    return np.frombuffer(request.raw_input_contents[0], np.uint8).reshape(shape)


def an_answer(pixels: np.ndarray[Any, Any], name: str = "UPSCALED", datatype: str = "UINT8") -> Any:
    """Return Triton's response with one output."""
    response: Any = service_pb2.ModelInferResponse(model_name="span_x2")  # pyright: ignore[reportAttributeAccessIssue]  made at run time
    response.outputs.add(name=name, datatype=datatype, shape=pixels.shape)
    response.raw_output_contents.append(pixels.tobytes())
    return response


async def doubled(request: Request, _: Any) -> Any:
    """Answer with each pixel repeated twice in both directions."""
    return an_answer(pixels_of(request).repeat(2, axis=2).repeat(2, axis=3))


@pytest.fixture
async def faulty() -> AsyncGenerator[FaultyTriton]:
    servicer, server = FaultyTriton(), grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, server)
    servicer.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield servicer
    await server.stop(None)


@pytest.fixture
async def triton(faulty: FaultyTriton) -> AsyncGenerator[Triton]:
    async with triton_at(faulty.target, seconds=1.0) as client:
        yield client


@contextlib.asynccontextmanager
async def triton_at(
    target: str, *, seconds: float, in_flight: int = 2, secret: str = ""
) -> AsyncGenerator[Triton]:
    client = Triton(target, in_flight=in_flight, seconds=seconds, secret=secret)
    yield client
    await client.close()


@pytest.fixture(scope="session")
async def images_running(stores: Stores) -> AsyncGenerator[Harness]:
    async with run_harness(stores) as harness:
        yield harness
