"""The models: every service and page names the same ones, and others are refused."""

import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from builder.registry import EIGHT_BIT_NETWORKS, MODELS, NETWORKS, Model, factors_of, networks_of
from images.catalogue import ALWAYS_SERVED
from inference.networks.auto import ART, ENHANCE, PIXEL, REQUIRED
from inference.networks.registry import AUTO, BUILT_IN, network_names
from inference.settings import NAMES
from loupe.contract import SCALE_FACTORS
from loupe.images.v1 import known_models
from tests.client import upscale
from tests.contract import shapes
from tests.contract.api_client import SMALL, a_batch, data_of, invalid_fields
from tests.inference.built_models import ALL_MODELS

ROOT = Path(__file__).parents[2]
BUILDER = ROOT / "services" / "inference" / "models"
PAGES = ("README.md", "docs/models.md")
REFUSED = "The model must be one of: "


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_tables_in_the_docs_agree_with_the_registry(page: str, model: Model) -> None:
    rows = re.findall(rf"^\| `{model.name}`.*$", (ROOT / page).read_text(), re.MULTILINE)

    assert len(rows) == 1
    for network in networks_of(model):
        cells = [cell.strip() for cell in rows[0].split("|")]
        assert network.title in rows[0]
        assert cells[-3:-1] == [network.source, network.licence]


def test_the_generated_table_is_current() -> None:
    command = [sys.executable, "-m", "builder.known_models"]
    done = subprocess.run(command, cwd=BUILDER, capture_output=True, text=True, check=True)

    assert Path(known_models.__file__).read_text() == done.stdout


def test_all_services_know_the_same_models() -> None:
    names = [model.name for model in MODELS]

    assert names == [AUTO, *NAMES] == [AUTO, *REQUIRED, ART, ENHANCE, PIXEL]
    assert (AUTO, *REQUIRED) == ALWAYS_SERVED
    assert all(network.is_always_built for network in EIGHT_BIT_NETWORKS if network.model.name in REQUIRED)


def test_every_network_can_be_built_for_8_and_for_16_bits_and_cut_without_a_seam() -> None:
    overlaps = {network.name: network.overlap for network in NETWORKS}
    scales = {network.base_name: network.scale for network in NETWORKS}

    assert network_names(ALL_MODELS, also_lazy=True) == set(overlaps)
    for network in (network for model in ALL_MODELS for network in model.networks):
        assert network.pass_scale == scales[network.name]
        assert network.overlap >= overlaps[network.names[0]]


def test_every_model_reaches_the_largest_factor() -> None:
    with_networks = [model for model in MODELS if networks_of(model)]

    assert {max(factors_of(model)) for model in with_networks} == {max(SCALE_FACTORS)}
    assert {max(model.factors) for model in BUILT_IN.values()} == {max(SCALE_FACTORS)}


async def test_the_models_can_be_listed_without_a_token(anyone: httpx2.AsyncClient) -> None:
    models = data_of(await anyone.get("/api/models"), "Models retrieved successfully", shapes.MODELS)

    assert [model["name"] for model in models][:3] == ["auto", "faithful", "clean"]
    assert [model["name"] for model in models if model["is_default"]] == ["auto"]
    assert [model["licence"] for model in models][:3] == [None, "Apache-2.0", "MIT"]
    assert {model["commercial_use"] for model in models if not model["title"]} == {True}
    assert [model["network"] for model in models][:3] == [
        None,
        "SPAN, 48 channels",
        "UpConv7, photo, noise 1",
    ]


async def test_exactly_the_listed_models_can_be_requested(
    anyone: httpx2.AsyncClient, jane: httpx2.AsyncClient
) -> None:
    names = [model["name"] for model in (await anyone.get("/api/models")).json()["data"]]

    tried = {*names, "enhance", "esrgan", "AUTO", "span_x2"}
    answers = {name: await upscale(jane, SMALL, model=name) for name in tried}

    assert {name: answer.status_code for name, answer in answers.items()} == {
        name: 202 if name in names else 422 for name in answers
    }
    assert invalid_fields(answers["esrgan"]) == {"model": [f"{REFUSED}{', '.join(names)}."]}


async def test_a_batch_with_an_unknown_model_is_refused(jane: httpx2.AsyncClient) -> None:
    answer = await a_batch(jane, SMALL, model="esrgan")

    assert list(invalid_fields(answer)) == ["model"]
