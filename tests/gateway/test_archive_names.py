"""Names in archives are unique, and safe on Windows, macOS and Linux. Reports hold no formulas."""

import csv
import io
import unicodedata

import pytest

from gateway.archives import report
from gateway.archives.names import (
    LONGEST_BYTES,
    LONGEST_PATH_BYTES,
    name_of_result,
    safe_name,
    unique_names,
)
from loupe.images.v1 import images_pb2 as pb


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("photo.jpg", "photo.jpg"),
        ('a/b\\c:d*e?f"g<h>i|j.png', "a_b_c_d_e_f_g_h_i_j.png"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("tab\there\nand\x7f.png", "tab_here_and_.png"),
        ("evil\u202egnp.exe", "evil_gnp.exe"),
        ("ends with dots...", "ends with dots"),
        ("ends with space .png ", "ends with space .png"),
        ("CON", "_CON"),
        ("con.png", "_con.png"),
        ("Lpt1.tar.gz", "_Lpt1.tar.gz"),
        ("COM\u00b9.png", "_COM\u00b9.png"),
        ("console.png", "console.png"),
        ("", "image"),
        ("...", "image"),
        ("/.png", "_.png"),
        ("cafe\u0301.png", "caf\u00e9.png"),
        ("\u732b.png", "\u732b.png"),
    ],
)
def test_a_name_is_safe_on_every_system(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_duplicates_are_numbered_also_if_only_case_or_form_differs() -> None:
    found = unique_names(["a.png", "A.PNG", "a.png", "a (2).png", "e\u0301.png", "\u00c9.png"])

    assert found == ["a.png", "A (2).PNG", "a (3).png", "a (2) (2).png", "\u00e9.png", "\u00c9 (2).png"]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("", "photo.jpg"),
        ("cats/tom", "cats/tom.jpg"),
        ("cats/tom.png", "cats/tom.jpg"),
        ("cats/tom.JPG", "cats/tom.JPG"),
        ("v1.2", "v1.2.jpg"),
        ("SKU-4711", "SKU-4711.jpg"),
    ],
)
def test_a_reference_names_its_result_with_the_extension_of_the_result(reference: str, name: str) -> None:
    assert name_of_result(reference, "photo.jpg") == name


def test_folders_of_references_stay_below_the_folder_of_the_archive() -> None:
    found = unique_names(
        ["a/b.png", "../../etc/x.png", "/abs.png", "C:\\win\\y.png", "con/n.png", "a//./d.png"]
    )

    assert found == ["a/b.png", "etc/x.png", "abs.png", "C_/win/y.png", "_con/n.png", "a/d.png"]


def test_no_file_has_the_path_of_a_folder_and_duplicates_stay_in_their_folder() -> None:
    found = unique_names(["cats/tom.png", "cats", "CATS/Tom.png"])

    assert found == ["cats/tom.png", "cats (2)", "CATS/Tom (2).png"]


def test_a_deep_path_loses_folders_and_keeps_its_name() -> None:
    [path] = unique_names(["deep/" * 300 + "x.png"])

    assert path.endswith("/x.png")
    assert len(path.encode()) <= LONGEST_PATH_BYTES


def test_no_result_takes_the_name_of_the_report() -> None:
    assert unique_names(["Report.csv"], taken=[report.NAME]) == ["Report (2).csv"]


def test_long_names_keep_their_extension_and_stay_unique() -> None:
    names = unique_names(["\u00e9" * 300 + ".png"] * 12)

    assert len({unicodedata.normalize("NFKC", name).casefold() for name in names}) == 12
    assert all(len(name.encode()) <= LONGEST_BYTES and name.endswith(".png") for name in names)


def test_a_thousand_equal_names_are_all_different() -> None:
    assert len(set(unique_names(["photo.png"] * 1000))) == 1000


@pytest.mark.parametrize("start", [*"=+-@\t\r", "\uff1d", "\uff20"])
def test_no_cell_of_a_report_is_a_formula(start: str) -> None:
    image = pb.Image(id=1, original_filename=f"{start}cmd|' /C calc'!A0.png", status=pb.STATUS_FAILED)
    image.failure.message = f"{start}1+1"

    [row] = csv.DictReader(io.StringIO(report.to_csv(report.lines([image], {})).decode(), newline=""))

    assert row["original_filename"].startswith(f"'{start}cmd")
    assert row["error_message"] == f"'{start}1+1"


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("a;=cmd.png", "a;'=cmd.png"),
        ("a; +1.png", "a;' +1.png"),
        ("a|@x;-1.png", "a|'@x;'-1.png"),
        ("a-b;c=d.png", "a-b;c=d.png"),
    ],
)
def test_no_part_of_a_cell_is_a_formula_where_semicolons_separate_cells(name: str, cell: str) -> None:
    image = pb.Image(id=1, original_filename=name, status=pb.STATUS_PENDING)

    [row] = csv.DictReader(io.StringIO(report.to_csv(report.lines([image], {})).decode(), newline=""))

    assert row["original_filename"] == cell
