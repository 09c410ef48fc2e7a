"""Which models there are: told the same everywhere, and refused where they are not served."""

import re
import runpy
from pathlib import Path
from typing import Any

import httpx2
import pytest
from client import upscale

from gateway.routes.images import OPTIONS
from images.catalogue import MODELS, NETWORKS, USUAL, Model
from inference.networks.registry import AUTO, ENHANCING, NAMES, served
from inference.networks.registry import MODELS as CHOSEN
from tests.contract import shapes
from tests.contract.asking import SMALL, a_batch, at_fault, told

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/models.md")
REFUSED = "The selected model is invalid: there are "
BUILT: dict[str, Any] = {
    model.name: model
    for model in runpy.run_path(str(ROOT / "services/inference/models/builder/registry.py"))["MODELS"]
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_tables_say_of_a_model_what_its_clients_are_told(page: str, model: Model) -> None:
    rows = re.findall(rf"^\| `{model.name}`.*$", (ROOT / page).read_text(), re.MULTILINE)

    networks = [NETWORKS[net] for net in model.nets]
    assert len(rows) == 1
    for network in networks:
        cells = [cell.strip() for cell in rows[0].split("|")]
        assert network.title in rows[0]
        assert cells[-3:-1] == [network.source, network.licence]


@pytest.mark.parametrize("net", NETWORKS)
def test_weights_have_the_source_and_the_licence_that_their_builder_names(net: str) -> None:
    assert (NETWORKS[net].source, NETWORKS[net].licence) == (BUILT[net].origin, BUILT[net].licence)


def test_the_worker_knows_the_models_that_clients_are_told_of() -> None:
    nets = {model.name: [net.name for net in model.nets] for model in CHOSEN.values()}
    nets["enhance"] = [net.name for model in ENHANCING for net in model.nets]

    assert [model.name for model in MODELS] == [AUTO, *NAMES] == OPTIONS["model"]["enum"]
    assert (AUTO, *CHOSEN) == USUAL
    for model in MODELS[1:]:
        assert set(nets[model.name]) == set(model.nets)


def test_every_network_can_be_built_for_8_and_for_16_bits_and_cut_without_a_seam() -> None:
    nets = [net for model in (*CHOSEN.values(), *ENHANCING) for net in model.nets]

    assert served((*CHOSEN.values(), *ENHANCING)) == set(BUILT)
    for net in nets:
        assert net.step == BUILT[net.name].scale
        assert net.overlap >= BUILT[net.name].overlap


async def test_whoever_asks_is_told_the_models(anyone: httpx2.AsyncClient) -> None:
    models = told(await anyone.get("/api/models"), "Models retrieved successfully", shapes.MODELS)

    assert [model["name"] for model in models][:3] == ["auto", "faithful", "clean"]
    assert [model["name"] for model in models if model["is_default"]] == ["auto"]
    assert [model["licence"] for model in models][:3] == [None, "Apache-2.0", "MIT"]
    assert [model["network"] for model in models][:3] == [
        None,
        "SPAN, 48 channels",
        "UpConv7, photo, noise 1",
    ]


async def test_each_model_that_is_told_may_be_asked_for_and_no_other(
    anyone: httpx2.AsyncClient, jane: httpx2.AsyncClient
) -> None:
    names = [model["name"] for model in (await anyone.get("/api/models")).json()["data"]]

    tried = {*names, "enhance", "esrgan", "AUTO", "span_x2"}
    answers = {name: await upscale(jane, SMALL, model=name) for name in tried}

    assert {name: answer.status_code for name, answer in answers.items()} == {
        name: 202 if name in names else 422 for name in answers
    }
    assert at_fault(answers["esrgan"]) == {"model": [f"{REFUSED}{', '.join(names)}."]}


async def test_a_batch_is_refused_for_its_model_too(jane: httpx2.AsyncClient) -> None:
    answer = await a_batch(jane, SMALL, model="esrgan")

    assert list(at_fault(answer)) == ["model"]
