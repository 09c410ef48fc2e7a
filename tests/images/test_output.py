"""How a client may want its result written, in which words that is refused, and which format it has."""

import pytest

from common import errors
from images.catalogue import USUAL
from images.formats import Format
from images.output import Fit, Output, parse
from images.sniff import Header

STILL = {name: Header(name, 4, 3) for name in Format}
MOVING = {name: Header(name, 4, 3, frames=2) for name in (Format.GIF, Format.WEBP)}


def test_what_is_left_empty_is_as_usual() -> None:
    assert parse("", "", "", "", "", models=USUAL) == Output(
        None, None, Fit.STRETCH, keeps_metadata=False, model="auto"
    )


def test_what_is_asked_for_is_understood() -> None:
    output = parse("cover", "JPG", " 80 ", "keep", "clean", models=USUAL)

    assert output == Output(Format.JPEG, 80, Fit.COVER, keeps_metadata=True, model="clean")


@pytest.mark.parametrize(
    ("texts", "field", "text"),
    [
        (("fill", "", "", "", ""), "fit", "The selected fit is invalid."),
        (("", "gif", "", "", ""), "output_format", "The selected output format is invalid."),
        (("", "bmp", "", "", ""), "output_format", "The selected output format is invalid."),
        (("", "", "0", "", ""), "quality", "The quality must be between 1 and 100."),
        (("", "", "101", "", ""), "quality", "The quality must be between 1 and 100."),
        (("", "", "80.0", "", ""), "quality", "The quality must be an integer."),
        (("", "", "", "all", ""), "metadata", "The selected metadata is invalid."),
        (
            ("", "", "", "", "best"),
            "model",
            "The selected model is invalid: there are auto, faithful, clean.",
        ),
    ],
)
def test_what_cannot_be_is_named(texts: tuple[str, str, str, str, str], field: str, text: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        parse(*texts, models=USUAL)

    assert caught.value.fields == {field: [text]}


def test_everything_wrong_is_named_at_once() -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        parse("x", "x", "x", "x", "x", models=USUAL)

    assert list(caught.value.fields) == ["fit", "output_format", "metadata", "model", "quality"]


def test_formats_stay_but_bmp_and_still_gif_become_png() -> None:
    becomes = {name: Output().format_for(header) for name, header in STILL.items()}

    assert becomes == {name: name for name in Format} | {Format.BMP: Format.PNG, Format.GIF: Format.PNG}


def test_an_animation_keeps_its_format_and_its_frames_unless_told_otherwise() -> None:
    for name, header in MOVING.items():
        assert (Output().format_for(header), Output().frames_for(header)) == (name, 2)
        assert Output(format=Format.PNG).frames_for(header) == 1
    assert Output(format=Format.WEBP).frames_for(MOVING[Format.GIF]) == 2
