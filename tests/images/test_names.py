"""A name that a client chose is stored, shown and sent in a header, and does no harm in any of them."""

import re
import unicodedata
from urllib.parse import unquote

import pytest

from images.formats.formats import Format
from images.uploads.file_names import clean, disposition, of_result

NASTY = [
    'my "cat".png',
    "a\r\nSet-Cookie: x=1.png",
    "photo\x00.png",
    "evil\u202egnp.exe",
    "\u200e\u200f\u2066x\u2069.jpg",
    "x" * 10_240 + ".jpeg",
    "🐈" * 3000 + ".png",
    "👩\u200d🚀.webp",
    "../../etc/passwd",
    "C:\\fakepath\\photo.jpg",
    "dir/",
    "",
    "   ",
    ".",
    "..",
    ".png",
    "a;b%c\\d.png",
    "naïve кот 猫.tiff",
    "line\u2028separator.png",
    "\x7f\x80\x9f.png",
    "\ue000private.png",
    "100%25.png",
    "'single'.png",
    "a." + "b" * 300,
]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("photo.jpg", "photo.jpg"),
        ("a/b\\c/photo.jpg", "photo.jpg"),
        ("C:\\fakepath\\photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("a\r\nb\tc\x00.png", "abc.png"),
        ("x\u202egnp.exe", "xgnp.exe"),
        ("\ufeffphoto\u200b.png", "photo.png"),
        ("  photo.png ", "photo.png"),
        ("", "image"),
        ("/", "image"),
        ("\u202e", "image"),
        ("🐈.png", "🐈.png"),
        ('my "cat".png', 'my "cat".png'),
    ],
)
def test_what_is_kept_of_a_name(sent: str, kept: str) -> None:
    assert clean(sent) == kept


@pytest.mark.parametrize("name", NASTY)
def test_a_kept_name_is_short_has_no_path_and_no_invisible_character(name: str) -> None:
    kept = clean(name)

    assert 0 < len(kept) <= 255
    assert "/" not in kept
    assert not [character for character in kept if unicodedata.category(character).startswith("C")]
    assert clean(kept) == kept


def test_a_long_name_keeps_its_extension() -> None:
    assert clean("x" * 10_240 + ".jpeg") == "x" * 250 + ".jpeg"


@pytest.mark.parametrize(
    ("original", "format_", "result"),
    [
        ("photo.jpg", Format.JPEG, "photo.jpg"),
        ("photo.JPEG", Format.JPEG, "photo.JPEG"),
        ("photo.tif", Format.TIFF, "photo.tif"),
        ("photo.bmp", Format.PNG, "photo.png"),
        ("photo.gif", Format.PNG, "photo.png"),
        ("photo", Format.WEBP, "photo.webp"),
        ("archive.tar.gz", Format.PNG, "archive.tar.png"),
        ("photo.png", Format.JPEG, "photo.jpg"),
        (".png", Format.PNG, ".png.png"),
        ("кот.bmp", Format.PNG, "кот.png"),
    ],
)
def test_a_result_is_named_after_its_original(original: str, format_: Format, result: str) -> None:
    assert of_result(original, format_) == result


@pytest.mark.parametrize("name", NASTY)
def test_a_disposition_is_one_safe_header_that_reads_back(name: str) -> None:
    filename = of_result(clean(name), Format.PNG)

    header = disposition(filename)

    whole = r"attachment; filename=\"([^\"\\%;]*)\"; filename\*=UTF-8''([A-Za-z0-9%._~-]*)"
    parts = re.fullmatch(whole, header)
    assert parts
    assert header.isascii()
    assert header.isprintable()
    assert unquote(parts[2], errors="strict") == filename
    assert len(parts[1]) == len(filename)
