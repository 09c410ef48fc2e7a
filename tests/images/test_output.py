"""How a client may want its result written, in which words that is refused, and which format it has."""

import pytest

from common import errors
from images.catalogue import USUAL
from images.formats.formats import Format
from images.formats.sniff import Header
from images.uploads.intake import Original, UploadOptions
from images.uploads.output import HEAVY_WEBP_PIXELS, MOVING_WEBP_PIXELS, WEBP_PIXELS, Fit, Output, parse
from images.uploads.sizing import Limits, Options

STILL = {name: Header(name, 4, 3) for name in Format}
MOVING = {name: Header(name, 4, 3, frames=2) for name in (Format.GIF, Format.WEBP)}
PHOTO = Header(Format.JPEG, 4, 3, is_lossy=True)
LIMITS = Limits(
    max_scale=4, longest_side=16_384, largest_pixels=268_435_456, largest_animation_pixels=100_000_000
)


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


@pytest.mark.parametrize(
    ("output", "header", "most"),
    [
        (Output(format=Format.WEBP), PHOTO, WEBP_PIXELS),
        (Output(format=Format.WEBP, quality=80), STILL[Format.PNG], WEBP_PIXELS),
        (Output(), Header(Format.WEBP, 4, 3, is_lossy=True), WEBP_PIXELS),
        (Output(), STILL[Format.WEBP], HEAVY_WEBP_PIXELS),
        (Output(format=Format.WEBP), STILL[Format.PNG], HEAVY_WEBP_PIXELS),
        (Output(), Header(Format.WEBP, 4, 3, is_lossy=True, has_alpha=True), HEAVY_WEBP_PIXELS),
        (Output(format=Format.WEBP, quality=80, fit=Fit.CONTAIN), PHOTO, HEAVY_WEBP_PIXELS),
        (Output(), MOVING[Format.WEBP], MOVING_WEBP_PIXELS),
        (Output(format=Format.WEBP, quality=80), MOVING[Format.GIF], MOVING_WEBP_PIXELS),
    ],
)
def test_a_webp_has_no_more_pixels_than_a_worker_has_room_for(
    output: Output, header: Header, most: int
) -> None:
    assert not output.misfit(header, most // 1000, 1000)
    assert f"at most {most}:" in output.misfit(header, most // 1000 + 1, 1000)


@pytest.mark.parametrize("name", [Format.JPEG, Format.PNG, Format.TIFF, Format.GIF])
def test_other_formats_have_no_such_bound(name: Format) -> None:
    assert not Output(format=name).misfit(STILL[Format.WEBP], 16_384, 16_384)


def refused(header: Header, sizes: Options, output: Output) -> dict[str, list[str]]:
    with pytest.raises(errors.InvalidArgument) as caught:
        Original("photo", 1, header).result_size(UploadOptions(sizes, output), LIMITS)
    return caught.value.fields


def test_who_asked_for_webp_is_told_there() -> None:
    text = refused(Header(Format.PNG, 3000, 3000), Options(2), Output(format=Format.WEBP))["output_format"][0]

    assert text.startswith("The result has 6000 x 6000 pixels; a WebP that is lossless or transparent has at")
    assert text.endswith("most 33554432: ask for the output format jpeg or png.")


@pytest.mark.parametrize(
    ("sizes", "field"),
    [
        (Options(2), "scale_factor"),
        (Options(None, 6000, None), "target_width"),
        (Options(None, None, 6000), "target_height"),
    ],
)
def test_who_asked_for_a_size_only_is_told_there(sizes: Options, field: str) -> None:
    assert list(refused(Header(Format.WEBP, 3000, 3000), sizes, Output())) == [field]
