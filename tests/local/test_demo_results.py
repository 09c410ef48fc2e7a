"""A result has its photo's name, and never replaces the result of another photo or somebody's file."""

from pathlib import Path

import pytest

from loupe_local.demo.errors import DemoFailed
from loupe_local.demo.results import reserve

ONE, OTHER = b"one photo", b"another photo"


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("holiday.jpg", "holiday@4x"),
        ("it's mine.jpg", "it's mine@4x"),
        ("ünï $x.tar.png", "ünï $x.tar@4x"),
        (".hidden.jpg", "hidden@4x"),
        (".jpg", "jpg@4x"),
        ("a\nb.jpg", "ab@4x"),
        ("-x.jpg", "-x@4x"),
        ("photo", "photo@4x"),
    ],
)
def test_a_result_has_the_name_of_its_photo(tmp_path: Path, name: str, stem: str) -> None:
    places = reserve(name, ONE, 4, tmp_path)

    assert places.result(".jpg") == tmp_path / f"{stem}.jpg"
    assert places.comparison == tmp_path / f"{stem}-before-after.png"


def test_the_same_photo_gets_the_same_name_again(tmp_path: Path) -> None:
    first = reserve("holiday.jpg", ONE, 4, tmp_path)
    first.result(".jpg").write_bytes(b"result")

    assert reserve("holiday.jpg", ONE, 4, tmp_path) == first


@pytest.mark.parametrize("name", ["holiday.jpg", "holiday.png"])
def test_another_photo_with_the_same_stem_gets_another_name(tmp_path: Path, name: str) -> None:
    first = reserve("holiday.jpg", ONE, 4, tmp_path)
    second = reserve(name, OTHER, 4, tmp_path)

    assert (first.stem, second.stem) == ("holiday@4x", "holiday-2@4x")
    assert reserve(name, OTHER, 4, tmp_path) == second


def test_each_scale_has_its_own_name(tmp_path: Path) -> None:
    assert [reserve("a.jpg", ONE, scale, tmp_path).stem for scale in (2, 3)] == ["a@2x", "a@3x"]


def test_a_file_that_the_demo_did_not_write_stays(tmp_path: Path) -> None:
    (tmp_path / "holiday@4x.png").write_bytes(b"mine")

    assert reserve("holiday.jpg", ONE, 4, tmp_path).stem == "holiday-2@4x"


@pytest.mark.parametrize("letter", ["a", "ü", "写"])
def test_a_long_name_is_cut_so_that_all_files_can_be_written(tmp_path: Path, letter: str) -> None:
    places = reserve(f"{letter * 250}.jpg", ONE, 4, tmp_path)

    for path in (places.result(".webp"), places.comparison):
        path.write_bytes(b"")
    assert places.stem.startswith(letter * 50)


def test_a_folder_that_cannot_be_made_gets_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(DemoFailed, match="cannot be written"):
        reserve("holiday.jpg", ONE, 4, tmp_path / "file" / "folder")
