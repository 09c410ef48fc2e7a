"""Networks of packages that Loupe does not ship go the whole way: checked, served, requested by name."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from loupe_local.state import REPOSITORY
from tests.client import download_result, upload_image, wait_for_status
from tests.pixels import encoded, opened, psnr, shrunk

FOLDER = REPOSITORY / ".loupe" / "foreign"
ENTRIES = FOLDER / "entries"
PHOTO = REPOSITORY / "docs" / "photos" / "astronaut.png"
CARDS = {
    "esrgan-thick": "title: ESRGAN thick\nlicence: MIT\nsource: thekevinscott/UpscalerJS",
    "cugan": "title: Real-CUGAN, no denoising\nlicence: MIT\nsource: bilibili/ailab",
    "cugan-se": "title: Real-CUGAN with squeeze-and-excite\nlicence: MIT",
}


def check(name: str) -> subprocess.CompletedProcess[str]:
    """Check a network with `loupe-admin`, as an operator does."""
    (FOLDER / f"{name}.yaml").write_text(f"name: {name}\nfactor: 2\n{CARDS[name]}\n")
    command = [str(Path(sys.executable).with_name("loupe-admin")), "models", "check", "--json"]
    command += [str(FOLDER / f"{name}.onnx"), "--into", str(ENTRIES)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def reports() -> dict[str, Any]:
    """Return the report of each network that can be served. It is written before the stack starts."""
    done = {name: check(name) for name in ("esrgan-thick", "cugan")}
    assert not any(each.returncode for each in done.values()), [each.stderr for each in done.values()]
    return {name: json.loads(each.stdout) for name, each in done.items()}


def test_a_network_that_looks_at_the_whole_picture_is_refused() -> None:
    refused = check("cugan-se")

    assert refused.returncode == 1
    assert "levels more than 112 pixels away, so tiles would show" in refused.stderr


@pytest.mark.timeout(900)
def test_what_is_measured_fits_the_networks(reports: dict[str, Any]) -> None:
    assert reports["cugan"]["padding"] == 18
    assert reports["cugan"]["tiles_begin_at_multiples_of"] == 2
    assert reports["cugan"]["guarded"]
    assert {report["levels_at_a_seam"] for report in reports.values()} <= {0, 1}


@pytest.fixture
def system(reports: dict[str, Any], request: pytest.FixtureRequest) -> httpx2.AsyncClient:
    """Return a client of a stack that was started after the check."""
    return request.getfixturevalue("jane")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["esrgan-thick", "cugan"])
async def test_clients_can_list_and_request_the_network(system: httpx2.AsyncClient, name: str) -> None:
    whole, small = shrunk(PHOTO, 2)
    left, top = small.width // 3, 0
    small = small.crop((left, top, left + 96, top + 96))
    truth = whole.crop((2 * left, 0, 2 * left + 192, 192))

    listed = {model["name"]: model for model in (await system.get("/api/models")).json()["data"]}
    image_id = await upload_image(system, encoded(small, "PNG"), "photo.png", scale_factor=2, model=name)
    found = await wait_for_status(system, image_id, "completed", seconds=300)
    result = opened(await download_result(system, image_id))

    assert (listed[name]["licence"], listed[name]["commercial_use"]) == ("MIT", True)
    assert listed[name]["title"] in CARDS[name]
    assert found["model"]["used"] == name
    lanczos = psnr(small.resize(truth.size, Image.Resampling.LANCZOS), truth)
    assert psnr(result, truth) > lanczos - 3
