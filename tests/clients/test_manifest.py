"""The manifest of results: what it knows of a file, and what it says if it cannot be written."""

import os
from pathlib import Path

import pytest

from loupe_client.command.items import items_of, naming_of
from loupe_client.command.manifest import Fingerprint, Manifest
from loupe_client.command.run import why_left_out
from loupe_client.errors import InvalidInput

FOUND = Fingerprint(5, 1, "digest")


def finish(manifest: Manifest, source: str, options: str, output: Path) -> None:
    """Note that a result of these options is at a path."""
    manifest.begin(source, options, FOUND, "http://127.0.0.1", output)
    output.write_bytes(b"large")
    manifest.finish(source, options, output)


def test_a_result_that_another_has_replaced_is_no_result_any_more(tmp_path: Path) -> None:
    manifest, source = Manifest(tmp_path), str(tmp_path / "photo.jpg")

    finish(manifest, source, "scale 2", tmp_path / "photo@2x.jpg")
    finish(manifest, source, "scale 3", tmp_path / "photo@2x.jpg")

    assert manifest.find(source, "scale 2") is None
    assert manifest.find(source, "scale 3")


def test_a_manifest_that_cannot_be_written_is_told_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    manifest = Manifest(tmp_path)
    manifest.close()

    with pytest.raises(InvalidInput, match=f"cannot be written to {tmp_path}: "):
        manifest.find("photo.jpg", "")
    with pytest.raises(InvalidInput, match=r"cannot be written to .*/file/in: Not a directory"):
        Manifest(tmp_path / "file" / "in")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_told_and_the_others_are_done(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")

    naming = naming_of([str(tmp_path)], "big/", "@2x", None)
    closed, photo = items_of([str(tmp_path)], naming, recursive=True)

    assert why_left_out(photo) is None
    with pytest.raises(PermissionError):
        why_left_out(closed)
    (tmp_path / "closed").chmod(0o700)  # else pytest could not remove it


@pytest.mark.parametrize("names", [("a.heic", "a.jpg"), ("a.HEIC", "a.JPG"), ("a.heic", "b.jpg")])
def test_a_result_keeps_the_name_of_its_original_whatever_else_becomes_a_jpeg(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    for name in names:
        (tmp_path / name).touch()

    naming = naming_of([str(tmp_path)], "big/", "@2x", None)
    outputs = {item.shown: item.output.name for item in items_of([str(tmp_path)], naming, recursive=True)}

    heic, jpeg = (outputs[str(tmp_path / name)] for name in names)
    assert jpeg == names[1]
    assert heic == ("a.jpg" if names[1] == "b.jpg" else f"{names[0]}.jpg")
