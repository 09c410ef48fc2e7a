"""The models: the same everywhere, and refused if they are not served."""

import re
import runpy
from pathlib import Path
from typing import Any

import httpx2
import pytest
from client import upscale

from gateway.routes.uploads import OPTIONS
from images.catalogue import MODELS, NETWORKS, USUAL, Model
from inference.networks.registry import AUTO, ENHANCING, NAMES, served
from inference.networks.registry import MODELS as CHOSEN
from tests.contract import shapes
from tests.contract.api_client import SMALL, a_batch, data_of, invalid_fields

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/models.md")
REFUSED = "The selected model is invalid: there are "
BUILT: dict[str, Any] = {
    model.name: model
    for model in runpy.run_path(str(ROOT / "services/inference/models/builder/registry.py"))["MODELS"]
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_tables_in_the_docs_agree_with_the_api(page: str, model: Model) -> None:
    rows = re.findall(rf"^\| `{model.name}`.*$", (ROOT / page).read_text(), re.MULTILINE)

    networks = [NETWORKS[net] for net in model.nets]
    assert len(rows) == 1
    for network in networks:
        cells = [cell.strip() for cell in rows[0].split("|")]
        assert network.title in rows[0]
        assert cells[-3:-1] == [network.source, network.licence]


@pytest.mark.parametrize("net", NETWORKS)
def test_weights_have_the_source_and_licence_of_the_builder(net: str) -> None:
    assert (NETWORKS[net].source, NETWORKS[net].licence) == (BUILT[net].origin, BUILT[net].licence)


def test_the_worker_knows_the_models_of_the_api() -> None:
    nets = {model.name: [net.name for net in model.nets] for model in CHOSEN.values()}
    nets["enhance"] = [net.name for model in ENHANCING for net in model.nets]

    assert [model.name for model in MODELS] == [AUTO, *NAMES] == OPTIONS["model"]["enum"]
    assert (AUTO, *CHOSEN) == USUAL
    for model in MODELS[1:]:
        assert set(nets[model.name]) == set(model.nets)


def test_every_served_network_can_be_built_with_enough_overlap() -> None:
    nets = [net for model in (*CHOSEN.values(), *ENHANCING) for net in model.nets]

    assert served((*CHOSEN.values(), *ENHANCING)) == set(BUILT)
    for net in nets:
        assert net.step == BUILT[net.name].scale
        assert net.overlap >= BUILT[net.name].overlap


async def test_everybody_may_list_the_models(anyone: httpx2.AsyncClient) -> None:
    models = data_of(await anyone.get("/api/models"), "Models retrieved successfully", shapes.MODELS)

    assert [model["name"] for model in models][:3] == ["auto", "faithful", "clean"]
    assert [model["name"] for model in models if model["is_default"]] == ["auto"]
    assert [model["licence"] for model in models][:3] == [None, "Apache-2.0", "MIT"]
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
