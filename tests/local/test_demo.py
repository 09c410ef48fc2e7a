"""`make demo` upscales photos with the Loupe that runs, leaves it running, and says what is wrong with it."""

import asyncio
import json
from collections.abc import Generator
from pathlib import Path

import pytest
from PIL import Image

from loupe_local.demo import connection
from loupe_local.demo.command import run
from loupe_local.demo.errors import DemoFailed
from loupe_local.stack import Stack
from loupe_local.state import State
from tests.client import client_of, pause_worker
from tests.pixels import encoded, opened

PHOTO = Image.effect_noise((24, 16), 80).convert("RGB")


@pytest.fixture
def running(stack: Stack, tmp_path: Path) -> Path:
    """The folder of a Loupe that runs."""
    described = stack.stores.supervisor.state.folder.parent / "local.json"
    (tmp_path / "local.json").write_bytes(described.read_bytes())
    return tmp_path / "local"


@pytest.fixture
def photos_of_mine(tmp_path: Path) -> Path:
    """A folder with photos of several kinds."""
    folder = tmp_path / "my photos"
    folder.mkdir()
    for name, photo in {
        "it's mine.jpg": PHOTO,
        "$HOME.png": PHOTO.convert("LA"),
        "-ink.jpg": PHOTO.convert("CMYK"),
        "tiny\n.png": PHOTO.resize((3, 2)),
        "moving.gif": PHOTO.convert("P"),
    }.items():
        more = {"save_all": True, "append_images": [PHOTO.convert("P").rotate(90)]} if ".gif" in name else {}
        kind = "JPEG" if name.endswith("jpg") else name[-3:].upper()
        (folder / name).write_bytes(encoded(photo, kind, **more))
    return folder


async def test_a_photo_gets_its_result_and_a_comparison_and_stays_as_it_was(
    running: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, into = tmp_path / "it's mine.jpg", tmp_path / "results"
    photo.write_bytes(encoded(PHOTO))

    await run(running, str(photo), "3", into=into)

    printed = capsys.readouterr().out
    assert opened((into / "it's mine@3x.jpg").read_bytes()).size == (72, 48)
    assert opened((into / "it's mine@3x-before-after.png").read_bytes()).mode == "RGB"
    assert "24 x 16 (" in printed
    assert "-> 72 x 48 (" in printed
    assert "upscaled in " in printed
    assert (
        json.loads((into / ".facts" / "demo.json").read_text())["images"][0]["image"]["status"] == "completed"
    )
    assert photo.read_bytes() == encoded(PHOTO)


async def test_each_photo_of_a_folder_is_upscaled_although_some_are_refused(
    running: Path, photos_of_mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos_of_mine / "cut.jpg").write_bytes(encoded(PHOTO)[:300])
    (photos_of_mine / "notes.txt").write_bytes(b"hello")
    into = tmp_path / "results"

    with pytest.raises(DemoFailed, match=r"^5 of 6 pictures in .* upscaled\. 1 other file") as caught:
        await run(running, str(photos_of_mine), None, into=into)

    assert {path.name for path in into.glob("*@4x.*")} == {
        "it's mine@4x.jpg",
        "$HOME@4x.png",
        "-ink@4x.jpg",
        "tiny@4x.png",
        "moving@4x.gif",
    }
    assert len([*into.glob("*-before-after.png")]) == 5
    printed = capsys.readouterr().out
    assert "cut.jpg': The image is corrupt or incomplete." in printed
    assert printed.count("notes.txt' is skipped. Its content is no picture") == 1
    assert "24 x 16, 2 frames (" in printed
    assert str(caught.value).endswith("\nNot upscaled:\n  cut.jpg: The image is corrupt or incomplete.")


async def test_a_folder_with_a_file_that_is_no_picture_is_no_failure(
    running: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, into = tmp_path / "holiday", tmp_path / "results"
    folder.mkdir()
    (folder / "scan.tif").write_bytes(encoded(PHOTO, "TIFF", save_all=True, append_images=[PHOTO, PHOTO]))
    (folder / "notes.txt").write_bytes(b"hello")

    await run(running, str(folder), "2", into=into)

    printed = capsys.readouterr().out
    assert "1 of 1 picture in " in printed
    assert " upscaled. 1 other file skipped." in printed
    assert "24 x 16, 3 pages (" in printed
    assert not [path for path in into.iterdir() if path.suffix == ".json"]


async def test_an_interrupted_demo_leaves_no_image_to_upscale(
    stack: Stack, running: Path, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(encoded(PHOTO))
    async with client_of(stack, stack.token) as client:
        with pause_worker(stack):
            demo = asyncio.create_task(run(running, str(photo), None, into=tmp_path / "results"))
            while not (await client.get("/api/images?status=pending")).json()["data"]:
                await asyncio.sleep(0.05)
            demo.cancel()
            await asyncio.wait({demo})

            assert demo.cancelled()
            assert not (await client.get("/api/images?status=pending")).json()["data"]


@pytest.fixture
def silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    """The folder of a Loupe that another process runs, but whose API does not answer."""
    monkeypatch.setattr(connection, "SILENT_SECONDS", 0)
    facts = {"api": "http://127.0.0.1:9", "token": "x", "metrics": {"inference": "http://127.0.0.1:9"}}
    (tmp_path / "local.json").write_text(json.dumps(facts))
    state = State(tmp_path / "local")
    state.lock()
    yield state.folder
    state.unlock()


async def test_a_loupe_that_does_not_answer_is_named(silent: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(encoded(PHOTO))

    with pytest.raises(DemoFailed, match=r"its API at http://127\.0\.0\.1:9 does not answer\. Stop"):
        await run(silent, str(photo), None, into=tmp_path / "results")


async def test_a_refused_token_gets_a_sentence(running: Path, tmp_path: Path) -> None:
    photo, facts = tmp_path / "photo.jpg", json.loads((tmp_path / "local.json").read_text())
    photo.write_bytes(encoded(PHOTO))
    (tmp_path / "local.json").write_text(json.dumps(facts | {"token": "1|wrong"}))

    with pytest.raises(DemoFailed, match=r"refused: Unauthenticated\."):
        await run(running, str(photo), None, into=tmp_path / "results")


async def test_a_file_of_addresses_that_is_damaged_is_named(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(encoded(PHOTO))
    (tmp_path / "local.json").write_text("{")

    with pytest.raises(DemoFailed, match=r"local\.json cannot be read"):
        await run(tmp_path / "local", str(photo), None, into=tmp_path / "results")
