"""Without the secret, Triton says only whether it is ready. With it, the worker reloads models as before."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from inference.triton.canary import canary_for
from inference.triton.errors import TritonUnavailable
from loupe_local import triton as triton_server
from loupe_local.ports import HOST
from loupe_local.process import output_of
from tests.inference.conftest import triton_at
from tests.inference.scratch_triton import QUICK, ScratchTriton, scratch_triton

pb: Any = service_pb2  # its types are made at run time
HEADER = "triton-grpc-protocol-loupe-secret"
CALLS = {
    "RepositoryModelLoad": pb.RepositoryModelLoadRequest(model_name="evil"),
    "RepositoryModelUnload": pb.RepositoryModelUnloadRequest(model_name=QUICK),
    "RepositoryIndex": pb.RepositoryIndexRequest(),
    "SystemSharedMemoryRegister": pb.SystemSharedMemoryRegisterRequest(name="x", key="/x", byte_size=1),
    "SystemSharedMemoryStatus": pb.SystemSharedMemoryStatusRequest(),
    "SystemSharedMemoryUnregister": pb.SystemSharedMemoryUnregisterRequest(),
    "CudaSharedMemoryRegister": pb.CudaSharedMemoryRegisterRequest(name="x"),
    "CudaSharedMemoryStatus": pb.CudaSharedMemoryStatusRequest(),
    "CudaSharedMemoryUnregister": pb.CudaSharedMemoryUnregisterRequest(),
    "LogSettings": pb.LogSettingsRequest(),
    "TraceSetting": pb.TraceSettingRequest(),
    "ModelConfig": pb.ModelConfigRequest(name=QUICK),
    "ModelMetadata": pb.ModelMetadataRequest(name=QUICK),
    "ModelStatistics": pb.ModelStatisticsRequest(name=QUICK),
    "ServerMetadata": pb.ServerMetadataRequest(),
    "ModelInfer": pb.ModelInferRequest(model_name=QUICK),
}
"""Every call of Triton but those about health."""
PATHS = {
    "v2/repository/models/evil/load": b"{}",
    f"v2/repository/models/{QUICK}/unload": b"{}",
    "v2/repository/index": b"{}",
    "v2/systemsharedmemory/region/x/register": b"{}",
    "v2/systemsharedmemory/unregister": b"",
    "v2/cudasharedmemory/region/x/register": b"{}",
    "v2/logging": b"{}",
    "v2/trace/setting": b"{}",
    f"v2/models/{QUICK}/infer": b"{}",
}
READ_PATHS = (
    "v2",
    "v2/logging",
    "v2/trace/setting",
    "v2/systemsharedmemory/status",
    "v2/models/stats",
    f"v2/models/{QUICK}",
    f"v2/models/{QUICK}/config",
)


@pytest.fixture(scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ScratchTriton]:
    async with scratch_triton(tmp_path_factory.mktemp("guarded"), has_secret=True) as running:
        yield running


def test_every_call_is_tried() -> None:
    methods = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name
    health = {"ServerLive", "ServerReady", "ModelReady"}

    assert set(methods) - health - {"ModelStreamInfer"} == set(CALLS)


@pytest.mark.parametrize("secret", ["", "wrong"])
async def test_a_call_without_the_secret_is_refused(guarded: ScratchTriton, secret: str) -> None:
    metadata = ((HEADER, secret),) if secret else ()
    refused = dict[str, str]()
    async with grpc.aio.insecure_channel(guarded.target) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for name, request in CALLS.items():
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await getattr(stub, name)(request, metadata=metadata, timeout=10)
            refused[name] = caught.value.details() or ""
        # Triton refuses before it reads. A message written meanwhile would fail with a text of grpcio
        stream = stub.ModelStreamInfer(metadata=metadata, timeout=10)
        refused["ModelStreamInfer"] = await stream.details()

    assert {name: text for name, text in refused.items() if "restricted" not in text} == {}


async def test_http_without_the_secret_is_refused(guarded: ScratchTriton) -> None:
    async with httpx2.AsyncClient(base_url=f"http://{HOST}:{guarded.server.http_port}") as http:
        answers = {path: await http.post(path, content=body) for path, body in PATHS.items()}
        answers |= {f"GET {path}": await http.get(path) for path in READ_PATHS}

    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code != 403} == {}


async def test_the_worker_reloads_a_dead_model_with_the_secret(guarded: ScratchTriton) -> None:
    tile = canary_for(QUICK)
    async with triton_at(guarded.target, seconds=30, secret=guarded.server.secret) as triton:
        before = await triton.infer(QUICK, tile)
        guarded.kill(QUICK)

        after = await triton.infer(QUICK, tile)

    assert (after.upscaled == before.upscaled).all()


async def test_a_worker_without_the_secret_gets_nothing(guarded: ScratchTriton) -> None:
    async with triton_at(guarded.target, seconds=30) as triton:
        with pytest.raises(TritonUnavailable, match="restricted"):
            await triton.infer(QUICK, canary_for(QUICK))


async def test_triton_refuses_to_listen_on_a_network_without_a_secret(tmp_path: Path) -> None:
    argv = [str(triton_server.SCRIPT), str(tmp_path), "1", "off", "2"]
    env = {
        "LOUPE_TRITON_VENV": str(triton_server.VENV),
        "LOUPE_TRITON_ADDRESS": "0.0.0.0",  # noqa: S104  it is refused
        "PATH": "/bin:/usr/bin",
    }

    async with asyncio.timeout(30):
        status, output = await output_of(argv, env=env)

    assert (status, output) == (2, "Set LOUPE_TRITON_SECRET, or let Triton listen on 127.0.0.1.")
