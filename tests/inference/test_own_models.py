"""An operator's own networks are measured, and served by a real Triton or refused with what was measured."""

import json
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import SecretStr

from builder.errors import Refused
from builder.own import card as cards
from common.blobs import Blobs, Store
from inference.availability import Availability
from inference.networks.registry import PARAMETER, assemble_models
from inference.own_models import place_of, read_all
from inference.picture import Picture
from inference.triton.client import Triton
from loupe_local.stores import Stores
from loupe_local.triton import VENV
from tests.inference.conftest import triton_at
from tests.inference.pictures import upscaled
from tests.inference.scratch_triton import QUICK, scratch_triton
from tests.inference.test_upscale import a_picture

ROOT = Path(__file__).parents[2]
CARD: dict[str, Any] = {"name": "mine", "title": "Mine", "licence": "MIT", "factor": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def checked(folder: Path) -> dict[str, Any]:
    """Return the report or the refusal of each small network, by name."""
    done = subprocess.run(
        [str(VENV / "bin" / "python"), str(Path(__file__).with_name("own_networks.py")), str(folder)],
        env={"PYTHONPATH": str(ROOT / "services" / "inference" / "models")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def break_copies(entries: Path) -> list[str]:
    """Add copies of an entry that Triton cannot load, for several reasons. Return their names."""
    whole = entries / "own_tiny_fixed"
    without = {"own_without_graph": "1/model.onnx", "own_without_program": "1/model.py"}
    for name, missing in without.items():
        shutil.copytree(whole, entries / name)
        (entries / name / missing).unlink()
        for path in (entries / name).glob("**/*.pbtxt"):
            path.write_text(path.read_text().replace(whole.name, name))
    for name, text in {"own_garbage": "{", "own_misnamed": (whole / "config.pbtxt").read_text()}.items():
        shutil.copytree(whole, entries / name)
        for path in (entries / name).glob("**/*.pbtxt"):
            path.write_text(text)
    return [*without, "own_garbage", "own_misnamed"]


@pytest.fixture(scope="module")
async def served(checked: dict[str, Any], folder: Path) -> AsyncGenerator[Triton]:
    """Return a Triton that has the small networks that were accepted, and some that it cannot load."""
    break_copies(folder / "entries")
    own = {"LOUPE_TRITON_OWN_MODELS": str(folder / "entries"), "LOUPE_TRITON_RUNTIME": "openvino"}
    own["LOUPE_TRITON_PRECISION"] = "f32"  # else each network is measured in both
    async with (
        scratch_triton(folder / "triton", own) as running,
        triton_at(running.target, seconds=30) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("network", "facts"),
    [
        ("plain", {"padding": 0, "reach": 1, "tiles_begin_at_multiples_of": 1, "guarded": False}),
        ("fixed", {"factor": 4, "commercial_use": False, "levels_at_a_seam": 0}),
        ("halving", {"tiles_begin_at_multiples_of": 2, "levels_at_a_seam": 0}),
        ("explosive", {"guarded": True, "guarded_share_of_a_photo": 0.0}),
    ],
)
def test_a_network_that_can_be_served_is_measured(
    checked: dict[str, Any], network: str, facts: dict[str, Any]
) -> None:
    report = checked[network]

    assert {name: report.get(name) for name in facts} == facts
    assert report["overlap"] >= report["reach"]
    assert report["seconds_per_megapixel"] > 0


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("pooled", "levels more than 112 pixels away"),
        ("mislabelled", "becomes 128 x 128, which is not 4 times as large"),
        ("narrow", "two tiles with an overlap of 0 differ from the whole by"),
        ("text", "this is no valid ONNX file"),
    ],
)
def test_a_network_that_would_spoil_pictures_is_refused_with_what_was_measured(
    checked: dict[str, Any], folder: Path, network: str, reason: str
) -> None:
    assert reason in checked[network]["refused"]
    assert not (folder / "entries" / f"own_tiny_{network}").exists()


def test_loupe_admin_shows_the_report_and_writes_the_entry(checked: dict[str, Any], folder: Path) -> None:
    command = [Path(sys.executable).with_name("loupe-admin"), "models", "check", folder / "plain.onnx"]

    done = subprocess.run(
        [*command, "--into", folder / "shown"], cwd=folder, capture_output=True, text=True, check=False
    )

    lines = [line.split() for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert ["guarded", "no"] in lines
    assert ["reach", str(checked["plain"]["reach"])] in lines
    assert (folder / "shown" / "own_tiny_plain" / "config.pbtxt").exists()


def test_loupe_admin_tells_the_reason_without_a_running_stack(checked: dict[str, Any], folder: Path) -> None:
    command = [Path(sys.executable).with_name("loupe-admin"), "models", "check", folder / "text.onnx"]

    done = subprocess.run(
        [*command, "--into", folder / "none"], cwd=folder, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"loupe-admin: text.onnx is refused: {checked['text']['refused']}\n"
    assert not (folder / "none").exists()


async def test_own_models_that_triton_cannot_load_stop_no_other_one(served: Triton) -> None:
    """The fixture has started Triton beside them."""
    broken = ("own_garbage", "own_misnamed", "own_without_graph", "own_without_program")

    await served.load_missing()

    assert [await served.has(name) for name in broken] == [False] * len(broken)
    assert await served.has("own_tiny_fixed")
    assert await served.has(QUICK)


async def test_triton_serves_own_models_without_seams(served: Triton) -> None:
    models = assemble_models(await served.read_parameter(PARAMETER))

    assert {name: model.label for name, model in models.items()} == {
        "tiny-fixed": "Tiny fixed",
        "tiny-halving": "Tiny halving",
    }
    for model in models.values():
        for kind in (np.uint8, np.uint16):
            pixels = a_picture((125, 83)).pixels.astype(kind) * kind(257 if kind is np.uint16 else 1)
            picture = Picture(pixels, "PNG")
            results = [
                await upscaled(picture, (400, 290), served.infer, networks=model.networks, tile=tile)
                for tile in (512, 2 * model.networks[-1].overlap + 24)
            ]
            limit = 1 if kind is np.uint8 else 257
            assert np.abs(results[0].pixels.astype(int) - results[1].pixels).max() <= limit, model.name


async def test_commercial_only_hides_models_whose_licence_forbids_that(served: Triton) -> None:
    found = {}
    for commercial_only in (False, True):
        availability = Availability(served, commercial_only=commercial_only)
        await availability.refresh()
        found[commercial_only] = {name for name in availability.models if name.startswith("tiny-")}

    assert found[False] - found[True] == {"tiny-fixed"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": "faithful"}, "name: Loupe has a model faithful itself"),
        ({"name": "My Net"}, "name: 2 to 31 small letters, digits and hyphens, with a letter first"),
        ({"name": "net-float"}, "name: it may not end with -float"),
        ({"title": ""}, "title: it may not be empty"),
        ({"licence": None}, "licence: a text of up to 200 characters"),
        ({"factor": 3}, "factor: 2 or 4"),
        ({"factor": 2.0}, "factor: 2 or 4"),
        ({"channels": "cmyk"}, "channels: one of rgb, bgr, grey"),
        ({"range": [1, 0]}, "range: the values of black and white, such as [0, 1] or [0, 255]"),
        ({"overlap": 500}, "overlap: auto, or 0 to 112 pixels"),
        (
            {"licence": "Ours"},
            "commercial_use: say true or false, because the licence Ours is not a known one",
        ),
        (
            {"licence": "CC-BY-NC-4.0", "commercial_use": True},
            "commercial_use: the licence CC-BY-NC-4.0 does not allow it",
        ),
    ],
)
def test_a_wrong_card_is_refused_with_its_field(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(Refused) as caught:
        cards.parse({**CARD, **change})

    assert str(caught.value) == problem


def test_a_card_may_be_short(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(CARD))

    card = cards.read(tmp_path / "mine.yaml")

    assert (card.channels, card.lowest, card.highest, card.overlap) == ("rgb", 0, 1, None)
    assert (card.commercial_use, card.factors, card.triton_name) == (True, (2, 4), "own_mine")


async def test_own_models_are_read_from_a_bucket(stores: Stores, tmp_path: Path) -> None:
    endpoint, (access_key, secret_key) = f"http://{stores.s3.endpoint}", stores.s3.keys["operator"]
    bucket = stores.s3.region, stores.s3.bucket
    blobs = Blobs(Store(endpoint, endpoint, *bucket, access_key, SecretStr(secret_key)))
    for key in ("mine/own.json", "mine/own_a/1/model.onnx", "others/x"):
        await blobs.put(key, key.encode(), "application/octet-stream")

    count = await read_all(blobs, "mine/", tmp_path)

    assert count == 2
    assert (tmp_path / "own_a" / "1" / "model.onnx").read_bytes() == b"mine/own_a/1/model.onnx"


def test_a_key_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leads out of the folder"):
        place_of(tmp_path, "../elsewhere")
