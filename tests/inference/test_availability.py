"""A worker serves and announces the models for which Triton has networks. The tests load and unload them."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncGenerator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlmodel import select
from tritonclient.grpc.aio import InferenceServerClient

from builder import repository
from builder.registry import NETWORKS
from images.tables import Worker
from inference.availability import Availability
from inference.settings import NAMES, Settings
from inference.throughput import Throughput
from inference.triton.client import Triton
from inference.triton.errors import OutdatedRepository, TritonFailed
from loupe.images.v1 import images_pb2 as pb
from loupe_local import triton as triton_server
from loupe_local.log import to_file
from loupe_local.services import services
from loupe_local.stores import Stores
from loupe_local.supervisor import Supervisor
from loupe_local.triton import MODELS
from serving import configuration
from tests.images.harness import Harness, delete_everything
from tests.inference.built_models import ENHANCE_NETWORKS, ENHANCE_SMALL
from tests.inference.built_models import MODELS as USUAL_MODELS
from tests.inference.conftest import triton_at
from tests.inference.scratch_triton import scratch_triton
from tests.inference.test_throughput import Clock, work

X4PLUS, GENERAL = ENHANCE_NETWORKS
VARIANTS = ("", "_float")
USUAL = ("span_x2", "span_x4", "waifu2x_photo_x2")


def write_repository(folder: Path) -> None:
    """Write the usual networks, and a copy of one of them under each optional name.

    The optional networks need not be built for this, because their results do not matter here.
    """
    for name in (f"{network}{variant}" for network in USUAL for variant in VARIANTS):
        (folder / name).symlink_to(MODELS / name, target_is_directory=True)
    for optional, variant in product(ENHANCE_NETWORKS, VARIANTS):
        copy = folder / f"{optional}{variant}"
        shutil.copytree(MODELS / f"span_x4{variant}", copy, ignore=shutil.ignore_patterns("__pycache__"))
        [network] = [each for each in NETWORKS if each.name == copy.name]
        (copy / "configs" / "cpu.pbtxt").write_text(configuration.for_cpu(repository.served(network)))


@pytest.fixture(scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[str]:
    """The address of a separate Triton, because other tests use the stack's."""
    folder, models = tmp_path_factory.mktemp("availability"), tmp_path_factory.mktemp("repository")
    write_repository(models)
    async with Supervisor(folder / "state", to_file(folder / "triton.log")) as supervisor:
        server = triton_server.triton(supervisor.state)
        await supervisor.start(replace(triton_server.process(server, models=models), env=ENVIRONMENT))
        yield server.grpc


ENVIRONMENT = {"LOUPE_TRITON_VENV": str(triton_server.VENV), triton_server.THREADS: "1"}


class Loaded:
    """Loads and unloads the optional networks."""

    def __init__(self, client: InferenceServerClient) -> None:
        self._client = client
        self._loaded = {f"{network}{variant}" for network in ENHANCE_NETWORKS for variant in VARIANTS}

    async def only(self, *names: str) -> None:
        """Load these optional networks and unload the others."""
        for name in sorted(self._loaded - {*names}):
            await self._client.unload_model(name)
            await self._until(name, ready=False)
        for name in sorted({*names} - self._loaded):
            await self._client.load_model(name)
            await self._until(name, ready=True)
        self._loaded = {*names}

    @contextlib.asynccontextmanager
    async def without(self, name: str) -> AsyncGenerator[None]:
        """Unload a network during the block. A worker may load it and the optional networks meanwhile."""
        await self._client.unload_model(name)
        await self._until(name, ready=False)
        try:
            yield
        finally:
            await self._client.load_model(name)
            await self._until(name, ready=True)
            self._loaded = await self._loaded_optional()

    async def _loaded_optional(self) -> set[str]:
        optional = [f"{network}{variant}" for network in ENHANCE_NETWORKS for variant in VARIANTS]
        return {name for name in optional if await self._client.is_model_ready(name)}

    async def _until(self, name: str, *, ready: bool) -> None:
        async with asyncio.timeout(30):
            while await self._client.is_model_ready(name) is not ready:
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
async def loaded(target: str) -> AsyncGenerator[Loaded]:
    client = InferenceServerClient(target)
    yield Loaded(client)
    await client.close()


@pytest.fixture
async def real(target: str) -> AsyncGenerator[Triton]:
    async with triton_at(target, seconds=30) as client:
        yield client


@pytest.fixture
async def harness(images_running: Harness) -> Harness:
    await delete_everything(images_running)
    return images_running


async def served(harness: Harness) -> list[str]:
    """Return the names of the models that `images` lists for clients."""
    answer = await harness.service("gateway").ListModels(pb.ListModelsRequest())
    return [model.name for model in answer.models]


def both(network: str) -> tuple[str, ...]:
    """Return the names of a network for 8 and for 16 bits."""
    return tuple(f"{network}{variant}" for variant in VARIANTS)


async def test_with_the_usual_networks_the_usual_models_are_served(real: Triton, loaded: Loaded) -> None:
    await loaded.only()
    availability = Availability(real)

    await availability.ensure_required()

    assert availability.names == ["auto", "faithful", "clean", "pixel"]


@pytest.mark.parametrize(
    ("loaded_names", "network"),
    [
        (both(X4PLUS) + both(GENERAL), X4PLUS),
        (both(X4PLUS), X4PLUS),
        (both(GENERAL), GENERAL),
        ((X4PLUS, *both(GENERAL)), GENERAL),
        ((f"{GENERAL}_float",), None),
        ((GENERAL,), None),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_enhance_takes_the_best_network_that_triton_has_for_8_and_16_bits(
    real: Triton, loaded: Loaded, loaded_names: tuple[str, ...], network: str | None
) -> None:
    await loaded.only(*loaded_names)
    availability = Availability(real)

    await availability.ensure_required()

    found = availability.models.get("enhance")
    assert (found.networks[0].name if found else None) == network


async def test_a_repository_of_an_earlier_release_is_refused_with_the_command_that_builds_it_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with (
        scratch_triton(tmp_path_factory.mktemp("scratch")) as running,
        triton_at(running.target, seconds=30) as triton,
    ):
        with pytest.raises(OutdatedRepository, match="make models"):
            await Availability(triton).ensure_required()


async def test_a_model_that_auto_needs_stays_served_while_it_is_loaded_again(
    real: Triton, loaded: Loaded
) -> None:
    await loaded.only()
    availability = Availability(real)
    await availability.ensure_required()

    async with loaded.without("span_x4"):
        await availability.refresh()

    assert availability.names == ["auto", "faithful", "clean", "pixel"]


async def test_a_starting_worker_loads_the_models_that_auto_needs(real: Triton, loaded: Loaded) -> None:
    await loaded.only()
    availability = Availability(real)

    async with loaded.without("span_x4"):
        await availability.ensure_required()

        assert await real.has("span_x4")


async def test_models_that_come_and_go_are_announced_to_images(
    real: Triton, loaded: Loaded, harness: Harness
) -> None:
    availability, images = Availability(real), harness.service()
    await loaded.only()
    await availability.announce(images, Throughput())
    before = await served(harness)

    await loaded.only(*both(GENERAL))
    await availability.announce(images, Throughput())
    come = await served(harness)
    await loaded.only()
    await availability.announce(images, Throughput())

    assert before == ["auto", "faithful", "clean", "pixel"]
    assert come == ["auto", "faithful", "clean", "enhance", "pixel"]
    assert "enhance" not in availability.models


async def test_the_worker_announces_its_throughput(real: Triton, harness: Harness) -> None:
    clock = Clock()
    availability, images, throughput = Availability(real), harness.service(), Throughput(clock)

    await availability.announce(images, throughput)
    before = await throughputs(harness)
    work(throughput, clock, 2, pixels=1_000_000)
    await availability.announce(images, throughput)

    assert before == [None]
    assert await throughputs(harness) == [pytest.approx(0.5, rel=0.01)]


async def throughputs(harness: Harness) -> list[float | None]:
    """Return the throughput of each worker that images knows."""
    async with harness.sessions.begin() as session:
        return list((await session.exec(select(Worker.megapixels_per_second))).all())


@pytest.mark.parametrize("names", [("faithful",), ("clean",), ("clean", "faithful"), ("clean", "pixel")])
async def test_only_the_models_that_the_operator_wants_are_served(
    real: Triton, loaded: Loaded, harness: Harness, names: tuple[str, ...]
) -> None:
    await loaded.only(*both(GENERAL))
    availability = Availability(real, names)

    await availability.ensure_required()
    await availability.announce(harness.service(), Throughput())

    assert set(await served(harness)) == {"auto", *names}


async def test_a_worker_is_not_ready_without_a_model_that_the_operator_wants(
    real: Triton, loaded: Loaded
) -> None:
    await loaded.only()
    wanted = [name for name in NAMES if name != "art"]  # this repository has no network of it
    availability = Availability(real, wanted)

    with pytest.raises(TritonFailed) as caught:
        await availability.ensure_required()
    await loaded.only(*both(GENERAL))
    await availability.ensure_required()

    assert str(caught.value) == (
        "INFERENCE_MODELS names enhance, for which Triton has no realesrgan_x4plus or realesr_general_x4v3"
    )
    assert availability.names == ["auto", *wanted]


async def test_while_triton_cannot_be_reached_nothing_is_announced_or_forgotten(
    harness: Harness,
) -> None:
    async with triton_at("127.0.0.1:9", seconds=1) as unreachable:
        availability = Availability(unreachable)
        availability.models = {**USUAL_MODELS, "enhance": ENHANCE_SMALL}

        await availability.announce(harness.service(), Throughput())

    assert "enhance" in availability.models
    assert await served(harness) == ["auto", "faithful", "clean"]


async def test_a_worker_goes_on_if_images_cannot_be_reached(real: Triton, harness: Harness) -> None:
    unreachable = replace(harness, target="127.0.0.1:9", channels=harness.channels).service()

    await Availability(real).announce(unreachable, Throughput())

    assert await served(harness) == ["auto", "faithful", "clean"]


@pytest.mark.parametrize(
    ("text", "names"),
    [("", ()), ("faithful, clean", ("faithful", "clean")), (" clean ,enhance,", ("clean", "enhance"))],
)
def test_the_setting_separates_models_by_commas(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, text: str, names: tuple[str, ...]
) -> None:
    settings = settings_from(stores, monkeypatch, text)

    assert settings.models == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("faithful,best", "there is no model best, only faithful, clean, art, enhance"),
        ("enhance", "one of faithful, clean must be served"),
    ],
)
def test_an_impossible_choice_of_models_is_refused_at_the_start(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        settings_from(stores, monkeypatch, text)


def settings_from(stores: Stores, monkeypatch: pytest.MonkeyPatch, models: str) -> Settings:
    environment = services(stores, {"INFERENCE_MODELS": models}).environment("inference")
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    return Settings()  # pyright: ignore[reportCallIssue]  the environment fills it
