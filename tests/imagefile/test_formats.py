"""The table of formats is complete, and code and documents that depend on it agree with it."""

import re
from collections.abc import Callable
from dataclasses import replace

import imagecodecs
import pi_heif
import pytest
from PIL import Image

from gateway.routes.uploads import OPTIONS
from imagefile import formats
from imagefile.formats import CHOICES, FORMATS, READABLE, WRITABLE, Format, FormatInfo, IncompleteTable
from inference.decoding.decoders import DECODERS
from inference.encoding import animation, writer
from inference.render_spec import FORMATS as ORDER_FORMATS
from loupe_local.state import REPOSITORY

FIRST_BYTES: dict[Format, tuple[bytes, ...]] = {
    "JPEG": (b"\xff\xd8\xff\xe0",),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "WEBP": tuple(b"RIFF\x0a\n\0\0WEBPVP8" + kind for kind in (b" ", b"L", b"X")),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*", b"II\0*", b"MM*\0", b"II+\0"),
    "GIF": (b"GIF87a", b"GIF89a"),
    "AVIF": (
        b"\0\0\0\x18ftypavif",
        b"\0\0\0\x18ftypavis",
        b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf",
    ),
    "JXL": (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
    "HEIF": tuple(b"\0\0\0\x18ftyp" + brand for brand in (b"heic", b"heix", b"mif1", b"msf1", b"hevc")),
}
API = (REPOSITORY / "docs" / "api.md").read_text()
PNG = FORMATS["PNG"]
OTHER_READERS: dict[Format, Callable[[bytes], object]] = {
    "HEIF": pi_heif.is_supported,
    "JXL": imagecodecs.jpegxl_check,
}
"""Libraries that read what Pillow does not."""


@pytest.mark.parametrize("name", READABLE)
def test_a_format_is_identified_by_first_bytes_that_pillow_accepts_too(name: Format) -> None:
    for first in FIRST_BYTES[name]:
        data = first.ljust(16, b"\0")

        assert formats.identify(data) == name
        Image.init()  # loads the plugins
        accepts = OTHER_READERS.get(name) or Image.OPEN[name][1]
        assert accepts
        assert accepts(data)


def test_the_first_bytes_of_other_formats_identify_none() -> None:
    for data in (
        b"\0\0\0\x18ftypisom\0\0\0\0avc1",
        b"",
        b"\x89PN",
        b"GIF88a",
        b"RIFF\0\0\0\0WAVE",
        b"%PDF-1.7",
        b"MM+\0\0\x08\0\0",
    ):
        assert formats.identify(data) is None


def test_an_unknown_format_name_is_an_error() -> None:
    assert formats.parse_format("PNG") == "PNG"
    with pytest.raises(ValueError, match="no format is called 'JP2'"):
        formats.parse_format("JP2")


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (None, "PNG is neither read nor written"),
        (replace(PNG, reading=None, writing=None), "PNG is neither read nor written"),
        (replace(PNG, becomes=None), "PNG is read, and becomes no format that is written"),
        (replace(PNG, becomes="BMP"), "PNG is read, and becomes no format that is written"),
    ],
)
def test_an_incomplete_entry_stops_every_service(entry: FormatInfo | None, text: str) -> None:
    table: dict[Format, FormatInfo] = {name: info for name, info in FORMATS.items() if name != "PNG"}
    if entry:
        table["PNG"] = entry

    with pytest.raises(IncompleteTable, match=text):
        formats.check_table(table)


def test_a_format_may_be_only_read_or_only_written() -> None:
    formats.check_table({**FORMATS, "PNG": replace(PNG, reading=None, becomes=None)})
    formats.check_table({**FORMATS, "GIF": replace(FORMATS["GIF"], writing=None)})


@pytest.mark.parametrize(
    ("names", "table", "kind"),
    [
        (READABLE, DECODERS, "decoder"),
        (WRITABLE, writer.ENCODERS, "encoder"),
        (["GIF", "PNG", "WEBP"], animation.ENCODERS, "encoder of animations"),
    ],
)
def test_a_format_without_a_function_stops_the_worker(
    names: list[Format], table: dict[Format, Callable[..., object]], kind: str
) -> None:
    assert formats.require_entries(names, table, kind) is table
    without_webp: dict[Format, Callable[..., object]] = {
        name: function for name, function in table.items() if name != "WEBP"
    }

    with pytest.raises(IncompleteTable, match=f"no {kind} for WEBP"):
        formats.require_entries(names, without_webp, kind)
    with pytest.raises(IncompleteTable, match=f"an unexpected {kind} for WEBP"):
        formats.require_entries(without_webp, table, kind)


def test_a_work_order_can_name_every_format_that_is_written() -> None:
    assert set(ORDER_FORMATS.values()) == set(WRITABLE)


def test_the_openapi_document_offers_every_choice() -> None:
    assert OPTIONS["output_format"]["enum"] == [*CHOICES]


def yes_or_no(claim: bool | None) -> str:
    return "yes" if claim else "no"


def row(info: FormatInfo) -> str:
    """Return the format's row in the table of docs/api.md."""
    writing = info.writing
    choices = ", ".join(f"`{choice}`" for choice in writing.choices) if writing else ""
    side = writing.limits.longest_side if writing else 1 << 31
    cells = (
        info.title,
        yes_or_no(info.reading is not None),
        choices or "no",
        FORMATS[info.becomes].title if info.becomes else "",
        yes_or_no(writing and writing.animated),
        yes_or_no(writing and writing.alpha),
        ", ".join(map(str, writing.bit_depths)) if writing else "",
        yes_or_no(writing and writing.has_quality),
        f"{side:,}" if side < 1 << 31 else "",
    )
    return f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |")


def test_the_documented_table_equals_the_table_of_formats() -> None:
    rows = API.partition("| format | read |")[2].splitlines()[2:]

    assert rows[: len(FORMATS)] == [row(info) for info in FORMATS.values()]
    assert not rows[len(FORMATS)].startswith("|")


def test_the_documented_limits_equal_those_of_the_encoders() -> None:
    documented = re.sub(r"\s+", " ", API)
    limits = FORMATS["WEBP"].writing.limits if FORMATS["WEBP"].writing else None
    assert limits

    assert f"(WebP {limits.longest_side:,})" in documented
    assert f"A lossy WebP has at most {limits.lossy_pixels:,} pixels" in documented
    assert (
        f"transparent {limits.other_pixels:,}, and each frame of an animated one {limits.frame_pixels:,}"
        in (documented)
    )
