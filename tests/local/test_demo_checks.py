"""The demo checks scale and photo before anything starts, and says in a sentence what is wrong."""

import os
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from images.formats.sniff import BROKEN
from loupe.contract import LARGEST_UPLOAD_BYTES
from loupe_local.demo.checks import check, parse_scale
from loupe_local.demo.errors import DemoFailed, PhotoRefused
from loupe_local.demo.paths import locate, pictures_in, shown
from loupe_local.demo.upscaling import how_far
from loupe_local.state import REPOSITORY
from tests.pixels import encoded

PHOTO = encoded(Image.effect_noise((24, 16), 80).convert("RGB"), "JPEG")


def a_file(folder: Path, name: str, data: bytes = PHOTO) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("text", ["5", "1", "abc", "", " ", "4x", "-2", "3.0", "²", "$(id)", "2\n3"])
def test_a_scale_that_is_none_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(DemoFailed, match=r"SCALE must be 2, 3 or 4; it is "):
        parse_scale(text)


@pytest.mark.parametrize(("text", "scale"), [("2", 2), ("3", 3), ("4", 4), (" 4 ", 4), (None, None)])
def test_a_scale_of_the_contract_is_accepted(text: str | None, scale: int | None) -> None:
    assert parse_scale(text) == scale


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("cut.jpg", PHOTO[: len(PHOTO) // 2], BROKEN),
        ("empty.png", b"", "The file is empty."),
        (
            "large.jpg",
            PHOTO + bytes(LARGEST_UPLOAD_BYTES + (1 << 20)),
            "The image may not be greater than 10 MB. It has 11.0 MB: export it smaller.",
        ),
    ],
)
def test_a_file_that_the_api_would_refuse_is_refused_in_its_words(
    tmp_path: Path, name: str, data: bytes, text: str
) -> None:
    with pytest.raises(PhotoRefused) as refused:
        check(a_file(tmp_path, name, data), None)

    assert str(refused.value) == text
    assert not refused.value.is_unknown


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("letter.pdf", b"%PDF-1.7\n" + bytes(1000), "It is a PDF document, which Loupe does not read. "),
        ("logo.svg", b'<?xml version="1.0"?>\n<svg/>', "It is a drawing in SVG, which Loupe does not read. "),
        ("film.mov", b"\0\0\0\x14ftypqt  ", "It is a film, which Loupe does not read. "),
        ("notes.jpg", b"hello", "Its content is no picture that Loupe reads (jpeg, png, "),
    ],
)
def test_a_file_of_another_kind_is_refused_with_what_it_is(
    tmp_path: Path, name: str, data: bytes, text: str
) -> None:
    with pytest.raises(PhotoRefused) as refused:
        check(a_file(tmp_path, name, data), None)

    assert str(refused.value).startswith(text)
    assert refused.value.is_unknown


def test_the_content_decides_the_format_and_not_the_name(tmp_path: Path) -> None:
    assert check(a_file(tmp_path, "photo.txt"), 3).header.format == "JPEG"


def test_without_a_scale_the_largest_possible_one_is_taken(tmp_path: Path) -> None:
    wide = a_file(tmp_path, "wide.png", encoded(Image.new("L", (5000, 10)), "PNG"))

    assert check(wide, None).scale == 3
    assert check(a_file(tmp_path, "small.jpg"), None).scale == 4


def test_a_scale_that_is_too_large_is_refused_with_those_that_are_possible(tmp_path: Path) -> None:
    wide = a_file(tmp_path, "wide.png", encoded(Image.new("L", (5000, 10)), "PNG"))

    with pytest.raises(PhotoRefused, match=r"a side of 20000 pixels.* Possible here: SCALE=2 or 3\."):
        check(wide, 4)


@pytest.mark.parametrize(
    ("status", "progress", "position", "left", "text"),
    [
        ("pending", 0, 1, None, "waiting"),
        ("pending", 0, 2, 8, "waiting behind 1 other image, about 8 s left"),
        ("pending", 0, 4, 300, "waiting behind 3 other images, about 5 min left"),
        ("processing", 0, None, 119, "upscaling, about 119 s left"),
        ("processing", 12, None, None, "12 %"),
    ],
)
def test_a_person_sees_how_far_an_image_is(
    status: str, progress: int, position: int | None, left: int | None, text: str
) -> None:
    facts = {"status": status, "progress": progress, "queue_position": position, "estimated_seconds": left}

    assert how_far(facts) == text


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_photo_is_no_photo(text: str) -> None:
    with pytest.raises(DemoFailed, match="PHOTO is empty"):
        locate(text)


@pytest.mark.parametrize("text", ["~/holiday.jpg", "~"])
def test_a_tilde_in_quotes_stands_for_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    photo = a_file(tmp_path, "holiday.jpg")

    assert locate(text) == (photo if "/" in text else tmp_path)


def test_a_missing_file_of_the_home_is_looked_for_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    a_file(tmp_path, "holiday.jpg")

    with pytest.raises(DemoFailed, match=r"Did you mean .*holiday\.jpg\?$"):
        locate("~/holday.jpg")


@pytest.mark.parametrize("name", ["nowhere.jpg", "-x.jpg", "it's $HOME\n.jpg", "n" * 300])
def test_a_file_that_is_missing_is_named_in_one_line(name: str) -> None:
    with pytest.raises(DemoFailed) as failed:
        locate(name)

    assert str(failed.value).isprintable()


def test_a_name_that_is_nearly_right_is_suggested(tmp_path: Path) -> None:
    a_file(tmp_path, "holiday.jpg")

    with pytest.raises(DemoFailed, match=r"Did you mean .*holiday\.jpg\?"):
        locate(str(tmp_path / "holday.jpg"))


def test_a_link_that_leads_to_itself_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")

    with pytest.raises(DemoFailed, match="cannot be read"):
        locate(str(tmp_path / "loop.jpg"))


def test_a_device_is_neither_a_file_nor_a_folder() -> None:
    with pytest.raises(DemoFailed, match="neither a file nor a folder"):
        pictures_in(Path("/dev/zero"))


def test_a_folder_gives_its_visible_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    files = [a_file(tmp_path, name) for name in ("-x.jpg", "a b.jpg", "it's.jpg")]
    a_file(tmp_path, ".hidden.jpg")
    (tmp_path / "folder").mkdir()

    assert pictures_in(tmp_path) == files


def test_a_folder_without_files_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DemoFailed, match="There is no picture in the folder"):
        pictures_in(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("holiday.jpg", "holiday.jpg"),
        ("my holiday.jpg", "'my holiday.jpg'"),
        ("it's mine.jpg", '"it\'s mine.jpg"'),
        ("it's $HOME.jpg", '"it\'s \\$HOME.jpg"'),
        ("ünï.jpg", "ünï.jpg"),
        ("two\nlines.jpg", "two\N{REPLACEMENT CHARACTER}lines.jpg"),
    ],
)
def test_paths_are_shown_from_the_folder_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv("CALLER_FOLDER", str(tmp_path))

    assert shown(tmp_path / name) == text
    assert shown(Path("/elsewhere") / "a.jpg") == "/elsewhere/a.jpg"


@pytest.mark.parametrize(
    "name", ["it's mine.jpg", "$HOME `id` $(id) $$.jpg", "-x.jpg", "a\nb.jpg", '"#%\\\\.jpg', "ünï (1).jpg"]
)
def test_make_passes_on_any_name_as_it_was_typed(tmp_path: Path, name: str) -> None:
    a_file(tmp_path, name)

    made = make("check-photo", f"PHOTO={name}", folder=tmp_path)

    assert (made.returncode, made.stderr) == (0, "")


@pytest.mark.parametrize(
    ("option", "text"),
    [("SCALE=5", "2, 3 or 4; it is '5'."), ("SCALE=", "it is empty."), ("PHOTO=", "PHOTO is empty.")],
)
def test_make_prints_one_sentence_about_an_option_that_is_wrong(option: str, text: str) -> None:
    made = make("check-photo", option, folder=REPOSITORY)

    sentence, *_noise_of_make = made.stderr.splitlines()
    assert made.returncode
    assert text in sentence
    assert "Traceback" not in made.stderr


def make(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run make in the repository for a person who is in `folder`. What is installed is taken as it is."""
    return subprocess.run(
        ["make", "-C", REPOSITORY, "--no-print-directory", "--assume-old=.venv/run", *arguments],
        env={**os.environ, "PWD": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
