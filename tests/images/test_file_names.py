"""A file name from a client does no harm where it is stored, shown or sent in a header."""

import re
import unicodedata
from urllib.parse import unquote

import pytest

from imagefile.formats import Format
from images.uploads.file_names import clean, disposition, for_result

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
    ("sent", "expected"),
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
def test_paths_and_control_characters_are_removed_from_a_name(sent: str, expected: str) -> None:
    assert clean(sent) == expected


@pytest.mark.parametrize("name", NASTY)
def test_a_clean_name_is_short_and_has_no_path_and_no_invisible_character(name: str) -> None:
    cleaned = clean(name)

    assert 0 < len(cleaned) <= 255
    assert "/" not in cleaned
    assert not [character for character in cleaned if unicodedata.category(character).startswith("C")]
    assert clean(cleaned) == cleaned


def test_a_long_name_keeps_its_extension() -> None:
    assert clean("x" * 10_240 + ".jpeg") == "x" * 250 + ".jpeg"


@pytest.mark.parametrize(
    ("original", "format_", "result"),
    [
        ("photo.jpg", "JPEG", "photo.jpg"),
        ("photo.JPEG", "JPEG", "photo.JPEG"),
        ("photo.tif", "TIFF", "photo.tif"),
        ("photo.bmp", "PNG", "photo.png"),
        ("photo.gif", "PNG", "photo.png"),
        ("photo", "WEBP", "photo.webp"),
        ("archive.tar.gz", "PNG", "archive.tar.png"),
        ("photo.png", "JPEG", "photo.jpg"),
        (".png", "PNG", ".png.png"),
        ("кот.bmp", "PNG", "кот.png"),
    ],
)
def test_a_result_is_named_after_its_original(original: str, format_: Format, result: str) -> None:
    assert for_result(original, format_) == result


@pytest.mark.parametrize("name", NASTY)
def test_a_disposition_is_a_safe_header_that_contains_the_name(name: str) -> None:
    filename = for_result(clean(name), "PNG")

    header = disposition(filename)

    pattern = r"attachment; filename=\"([^\"\\%;]*)\"; filename\*=UTF-8''([A-Za-z0-9%._~-]*)"
    parts = re.fullmatch(pattern, header)
    assert parts
    assert header.isascii()
    assert header.isprintable()
    assert unquote(parts[2], errors="strict") == filename
    assert len(parts[1]) == len(filename)
