"""`loupe upscale` tells each file's fate, does nothing twice, and leaves nothing half-written."""

import contextlib
import os
import signal
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from loupe_client import AsyncLoupe
from loupe_client.command.manifest import NAME
from loupe_local.stack import Stack
from tests.client import pause_worker
from tests.clients.conftest import SIZE, size_of, used
from tests.clients.shell import LOUPE, Shell, ended
from tests.heif_files import heic
from tests.outbound.servers import answer, host
from tests.pixels import encoded
from tests.polling import until


def a_folder(folder: Path, photo: Image.Image, count: int) -> Path:
    """Make a folder with `count` different photos, a third of them in a folder of its own."""
    (folder / "sub").mkdir(parents=True)
    for number in range(count):
        place = folder / "sub" if number % 3 == 0 else folder
        (place / f"photo {number:02}.jpg").write_bytes(
            encoded(photo.crop((0, 0, 20 + number % 20, 16 + number % 9)))
        )
    return folder


def results(folder: Path) -> list[str]:
    """Return the files below a folder of results, without the manifest."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(folder)) for path in found if path.name != NAME)


def noted_images(folder: Path) -> int:
    """Return how many images the manifest knows by their ids."""
    if not (folder / NAME).exists():
        return 0
    with contextlib.closing(sqlite3.connect(folder / NAME)) as database:
        try:
            return database.execute("SELECT count(image_id) FROM files").fetchone()[0]
        except sqlite3.OperationalError:  # its tables are being made
            return 0


async def test_a_folder_of_50_mixed_files_ends_in_a_report_and_a_second_run_does_nothing(
    shell: Shell, own: AsyncLoupe, photo: Image.Image, tmp_path: Path
) -> None:
    folder = a_folder(tmp_path / "holiday", photo, 40)
    odd = ["it's [odd] #1 %41.png", "Bücher 日本.png", "new\nline.png", "-rf.png", "a;b&c.png"]
    for name in odd:
        (folder / name).write_bytes(encoded(photo, "PNG"))
    Path(os.fsdecode(os.fsencode(folder) + b"/latin\xe9.gif")).write_bytes(encoded(photo, "GIF"))
    (folder / "IMG_1.HEIC").write_bytes(heic("rgb"))
    (folder / "notes.txt").write_text("This is no picture.")
    (folder / "text.jpg").write_text("Neither is this.")
    (folder / "broken.jpg").write_bytes(encoded(photo)[:300])
    (folder / "empty.jpg").touch()
    (folder / "gone.jpg").symlink_to("nowhere")
    (folder / "again").symlink_to("sub")
    os.mkfifo(folder / "pipe.jpg")
    command = ("upscale", "holiday", "-r", "--scale", "2", "-o", "big", "--json")

    first = await shell.loupe(*command)
    charged = await used(own)
    second = await shell.loupe(*command)

    fates = {line["source"]: line for line in first.lines if line["event"] in ("done", "refused", "skipped")}
    assert Counter(line["event"] for line in fates.values()) == {"done": 47, "refused": 1, "skipped": 6}
    assert first.lines[-1]["event"] == "summary"
    assert "corrupt" in fates["holiday/broken.jpg"]["message"]
    assert fates["holiday/notes.txt"]["message"] == "it is no picture"
    assert fates["holiday/empty.jpg"]["message"] == "it is empty"
    assert fates["holiday/gone.jpg"]["message"] == "it is a link to nothing"
    assert fates["holiday/again"]["message"] == "it is a link to a folder"
    assert fates["holiday/pipe.jpg"]["message"] == "it is no file"
    assert first.code == second.code == 1
    assert charged == await used(own) == 47
    assert not [line for line in second.lines if line.get("is_new") and line["event"] != "skipped"]
    assert {"IMG_1.jpg", "sub/photo 00.jpg", *odd} <= set(results(tmp_path / "big"))
    assert len(results(tmp_path / "big")) == 47
    assert size_of(tmp_path / "big" / "photo 01.jpg") == (42, 34)


async def test_after_an_interrupt_nothing_is_half_written_and_resume_charges_nothing_twice(
    shell: Shell, own: AsyncLoupe, stack: Stack, photo: Image.Image, tmp_path: Path
) -> None:
    a_folder(tmp_path / "holiday", photo, 6)
    with pause_worker(stack):
        process = await shell.begin("upscale", "holiday", "-r", "-o", "big", "--jobs", "4")

        await until(lambda: noted_images(tmp_path / "big") == 4, 30)
        process.send_signal(signal.SIGINT)
        stopped = await ended(process)

    again = await shell.loupe("upscale", "--resume", "-o", "big")

    assert stopped.code == 130, stopped.err
    assert "loupe upscale --resume -o big" in stopped.out
    assert not stopped.err
    assert again.code == 0, again.out
    assert len(results(tmp_path / "big")) == 6
    assert await used(own) == 6


async def test_a_killed_run_goes_on_and_charges_nothing_twice(
    shell: Shell, own: AsyncLoupe, stack: Stack, photo: Image.Image, tmp_path: Path
) -> None:
    a_folder(tmp_path / "holiday", photo, 5)
    with pause_worker(stack):
        process = await shell.begin("upscale", "holiday", "-r", "-o", "big", "--jobs", "5")

        async def has_begun() -> bool:
            return bool([image async for image in own.images.list()])

        await until(has_begun, 30)  # some answers are still under way, and some uploads too
        process.kill()
        await process.wait()
    (tmp_path / "big" / ".photo 01.jpg.01234567.part").write_bytes(b"a rest of the killed run")

    again = await shell.loupe("upscale", "holiday", "-r", "-o", "big")

    assert again.code == 0, again.out
    assert results(tmp_path / "big") == [
        "photo 01.jpg",
        "photo 02.jpg",
        "photo 04.jpg",
        "sub/photo 00.jpg",
        "sub/photo 03.jpg",
    ]
    assert await used(own) == 5


async def test_a_changed_file_and_other_options_are_upscaled_anew(
    shell: Shell, own: AsyncLoupe, photo: Image.Image, photo_file: Path, tmp_path: Path
) -> None:
    first = await shell.loupe("upscale", "photo.jpg")
    photo_file.write_bytes(encoded(photo.crop((0, 0, 30, 20))))
    changed = await shell.loupe("upscale", "photo.jpg")
    larger = await shell.loupe("upscale", "photo.jpg", "--scale", "3")
    same = await shell.loupe("upscale", "photo.jpg", "photo@2x.jpg", "photo@3x.jpg", "--scale", "3")

    assert [first.code, changed.code, larger.code, same.code] == [0, 0, 0, 0]
    assert "done before" in same.out
    assert same.out.count("a result of an earlier run") == 2
    assert size_of(tmp_path / "photo@2x.jpg") == (60, 40)
    assert size_of(tmp_path / "photo@3x.jpg") == (90, 60)
    assert await used(own) == 3


async def test_a_picture_comes_from_standard_input_and_is_charged_once(
    shell: Shell, own: AsyncLoupe, photo_file: Path, tmp_path: Path
) -> None:
    command = f"{LOUPE} upscale - -o {{}} < photo.jpg"

    named = await shell.run("sh", "-c", command.format("large.png"))
    piped = await shell.run("sh", "-c", command.format("- --format png") + " > piped.png")
    nothing = await shell.loupe("upscale", "-")
    dry = await shell.run("sh", "-c", command.format("dry.png --scale 3 --dry-run"))
    charged = await used(own)
    [image] = [image async for image in own.images.list()]
    await own.images.delete(image.id)
    anew = await shell.run("sh", "-c", command.format("anew.png"))

    assert (named.code, piped.code, nothing.code, dry.code) == (0, 0, 2, 2), named.err + piped.err
    assert size_of(tmp_path / "large.png") == (SIZE[0] * 2, SIZE[1] * 2)
    assert (tmp_path / "large.png").read_bytes() == (tmp_path / "piped.png").read_bytes()
    assert "nothing on standard input" in nothing.err
    assert (charged, anew.code, await used(own)) == (1, 0, 2), anew.err


async def test_one_file_goes_to_the_name_and_format_of_the_output(
    shell: Shell, photo_file: Path, tmp_path: Path
) -> None:
    run = await shell.loupe("upscale", "photo.jpg", "--size", "96x", "-o", "poster.png")

    assert run.code == 0, run.out
    with Image.open(tmp_path / "poster.png") as result:
        assert (result.format, result.size) == ("PNG", (96, SIZE[1] * 2))


async def test_a_file_of_somebody_else_is_not_replaced_and_costs_nothing(
    shell: Shell, own: AsyncLoupe, photo_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "large.jpg").write_text("precious")
    refused = await shell.loupe("upscale", "photo.jpg", "-o", "large.jpg")
    kept, charged = (tmp_path / "large.jpg").read_text(), await used(own)
    replaced = await shell.loupe("upscale", "photo.jpg", "-o", "large.jpg", "--overwrite")

    assert (refused.code, kept, charged) == (1, "precious", 0)
    assert replaced.code == 0
    assert size_of(tmp_path / "large.jpg") == (SIZE[0] * 2, SIZE[1] * 2)


async def test_two_originals_with_one_stem_have_two_results(
    shell: Shell, photo: Image.Image, tmp_path: Path
) -> None:
    for kind in ("gif", "bmp", "png"):
        (tmp_path / f"cat.{kind}").write_bytes(encoded(photo, kind.upper()))

    run = await shell.loupe("upscale", "cat.gif", "cat.bmp", "cat.png", "-o", "big/")

    assert run.code == 0, run.out
    assert len(results(tmp_path / "big")) == 3


async def test_a_dry_run_sends_and_writes_nothing(
    shell: Shell, own: AsyncLoupe, photo: Image.Image, tmp_path: Path
) -> None:
    a_folder(tmp_path / "holiday", photo, 3)
    before = sorted(tmp_path.rglob("*"))

    run = await shell.loupe("upscale", "holiday", "-r", "-o", "big", "--dry-run")

    assert run.code == 0
    assert "3 would be upscaled." in run.out
    assert sorted(tmp_path.rglob("*")) == before
    assert [image async for image in own.images.list()] == []


async def test_without_r_the_folders_in_a_folder_are_left_out(
    shell: Shell, photo: Image.Image, tmp_path: Path
) -> None:
    a_folder(tmp_path / "holiday", photo, 3)

    run = await shell.loupe("upscale", "holiday", "--scale", "3")

    assert run.code == 0
    assert results(tmp_path / "holiday@3x") == ["photo 01.jpg", "photo 02.jpg"]


@pytest.mark.parametrize(
    "wrong",
    [
        ("--scale", "5"),
        ("--size", "1x1x"),
        ("--scale", "2", "--size", "9x9"),
        ("nowhere.jpg",),
        ("--nix",),
        ("-",),
    ],
)
async def test_a_wrong_command_line_ends_with_2_and_sends_nothing(
    shell: Shell, own: AsyncLoupe, photo_file: Path, wrong: tuple[str, ...]
) -> None:
    run = await shell.loupe("upscale", "photo.jpg", *wrong)

    assert run.code == 2
    assert "Traceback" not in run.err
    assert await used(own) == 0


@pytest.mark.parametrize("wrong", [("--model", "magic"), ("--format", "magic")])
async def test_an_option_that_is_wrong_for_all_files_stops_the_run(
    shell: Shell, photo: Image.Image, tmp_path: Path, wrong: tuple[str, str]
) -> None:
    a_folder(tmp_path / "holiday", photo, 6)

    run = await shell.loupe("upscale", "holiday", "-r", *wrong, "--jobs", "1", "--json")

    assert [line["event"] for line in run.lines] == ["started", "failed", "summary"]
    assert "must be one of" in run.lines[1]["message"]
    assert run.code == 1


async def test_a_link_is_fetched_by_the_server_and_saved_here(
    shell: Shell, own: AsyncLoupe, photo_file: Path, tmp_path: Path
) -> None:
    reply = answer(photo_file.read_bytes(), Content_Type="image/jpeg")
    async with host(reply) as server:
        first = await shell.loupe("upscale", server.url, "--scale", "3", "-o", "big/")
        again = await shell.loupe("upscale", server.url, "--scale", "3", "-o", "big/")
    async with host(answer(b"This is no picture.")) as server:
        refused = await shell.loupe("upscale", server.url, "-o", "big/")

    [name] = results(tmp_path / "big")
    assert first.code == again.code == 0, first.out + first.err
    assert "done before" in again.out
    assert size_of(tmp_path / "big" / name) == (SIZE[0] * 3, SIZE[1] * 3)
    assert refused.code == 1
    assert refused.out.startswith("refused")
    assert await used(own) == 1
