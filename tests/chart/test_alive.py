"""The liveness probe of Triton, run against a real server as the kubelet runs it."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import numpy as np
import psutil
import pytest
from tritonclient.grpc.aio import InferenceServerClient

from loupe_local.ports import HOST
from tests.chart.helm import DEFAULT, PROFILES, release, rendered
from tests.chart.objects import Object
from tests.inference.conftest import triton_at
from tests.inference.scratch_triton import CONFIG, DEADLY, MODEL, QUICK, ScratchTriton, scratch_triton

TILE = np.full((1, 3, 64, 64), 128, np.uint8)
LAZY = 'parameters [ { key: "is_lazy" value { string_value: "true" } } ]'
SERVER = "127.0.0.1:8000"


@pytest.fixture
async def scratch(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[ScratchTriton]:
    control = {"LOUPE_TRITON_CONTROL": request.param}
    config = CONFIG.format(name=QUICK)
    second = ', { name: "CONTEXT" data_type: TYPE_FP32 dims: [ 7 ] } ]\noutput'
    add_model(tmp_path / "models" / "with_context", config.replace(" ]\noutput", second))
    # the probe's tile would end it
    add_model(tmp_path / "models" / "lazy", config + LAZY, deadly=128)
    # the supervisor of the test leaves it to the probe to find out that Triton has to be started anew
    async with scratch_triton(tmp_path, control, has_secret=True, most_losses=100) as running:
        yield running


def add_model(folder: Path, config: str, deadly: int = DEADLY) -> None:
    """Add a model. A tile that has only the value `deadly` ends its process."""
    (folder / "configs").mkdir(parents=True)
    (folder / "1").mkdir()
    for file in ("config.pbtxt", "configs/cpu.pbtxt"):
        (folder / file).write_text(config.replace("span_x2", folder.name))
    (folder / "1" / "model.py").write_text(MODEL.format(seconds=0, deadly=deadly))


def triton_of(profile: str) -> Object:
    [pod] = [pod for pod in rendered(profile).pods if pod.component == "inference"]
    [container] = [one for one in pod.spec["containers"] if one["name"] == "triton"]
    return container


async def probed(scratch: ScratchTriton) -> tuple[int | None, str]:
    """Run the probe's command, and return its exit status and output."""
    _, flag, script = triton_of("gpu")["livenessProbe"]["exec"]["command"]
    arguments = psutil.Process(scratch.supervisor.pid("triton")).cmdline()
    [port] = [argument.partition("=")[2] for argument in arguments if argument.startswith("--http-port=")]
    assert SERVER in script
    secret = scratch.models.parent / "secret"
    secret.write_text(scratch.server.secret)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        flag,
        script.replace(SERVER, f"{HOST}:{port}"),
        stdout=asyncio.subprocess.PIPE,
        env={"LOUPE_TRITON_SECRET_FILE": str(secret)},
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


@pytest.mark.parametrize("scratch", ["none"], indirect=True)
async def test_the_probe_fails_when_a_model_has_died_although_triton_says_it_is_ready(
    scratch: ScratchTriton,
) -> None:
    before = await probed(scratch)
    scratch.kill(QUICK)

    code, output = await probed(scratch)

    assert before == (0, "\n")
    assert code == 1
    assert output.startswith(f"{QUICK} answered ")


@pytest.mark.parametrize("scratch", ["explicit"], indirect=True)
async def test_the_probe_succeeds_after_the_worker_has_reloaded_the_model(scratch: ScratchTriton) -> None:
    async with triton_at(scratch.target, seconds=30, secret=scratch.server.secret) as worker:
        await worker.infer(QUICK, TILE)
        scratch.kill(QUICK)
        await worker.infer(QUICK, TILE)

        found = await probed(scratch)
        async with InferenceServerClient(scratch.target) as client:
            is_ready = await client.is_server_ready()

    assert found == (0, "\n")
    assert is_ready


@pytest.mark.parametrize("scratch", ["explicit"], indirect=True)
async def test_the_probe_fails_after_five_deaths_because_triton_has_to_be_started_anew(
    scratch: ScratchTriton,
) -> None:
    codes, output = list[int | None](), ""
    async with triton_at(scratch.target, seconds=30, secret=scratch.server.secret) as worker:
        for _ in range(5):
            scratch.kill(QUICK)
            await worker.infer(QUICK, TILE)
            code, output = await probed(scratch)
            codes.append(code)

    assert codes == [0, 0, 0, 0, 1]
    assert output.startswith("5 processes of models have died")


@pytest.mark.parametrize("profile", PROFILES)
def test_the_probe_uses_the_port_on_which_triton_listens(profile: str) -> None:
    triton = triton_of(profile)

    arguments = " ".join(triton["args"])

    assert SERVER in triton["livenessProbe"]["exec"]["command"][-1]
    assert (
        "--http-address=127.0.0.1 --http-port=8000" in arguments
        or arguments == "triton /models 8001 8000 8002"
    )


@pytest.mark.parametrize(("profile", "busy"), [(DEFAULT, ["inference", "triton"]), ("gpu", ["inference"])])
def test_workers_are_scaled_by_the_containers_that_use_the_cpu(profile: str, busy: list[str]) -> None:
    values = {"autoscaling": {"enabled": True}, "keda": {"enabled": False}}
    scaler = release(profile, inference=values).find("HorizontalPodAutoscaler", "loupe-inference")

    assert scaler
    assert [one["containerResource"]["container"] for one in scaler["spec"]["metrics"]] == busy
