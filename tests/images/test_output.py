"""The options of a result: which are valid, how others are refused, and which format the result gets."""

import pytest

from common import errors
from imagefile.formats import FORMATS, READABLE, WRITABLE, Format
from images.catalogue import ALWAYS_SERVED
from images.formats.sniff import Header
from images.uploads.original import Original, UploadOptions
from images.uploads.output import Fit, Output
from images.uploads.output import parse as parse_form
from images.uploads.sizing import Limits, Options
from loupe.images.v1 import images_pb2 as pb

WEBP = WRITABLE["WEBP"].limits
OUTPUT_FORMATS = "The output format must be one of: jpeg, jpg, png, webp, tiff, avif, jxl."
STILL = {name: Header(name, 4, 3) for name in READABLE}
ANIMATED = {name: Header(name, 4, 3, frames=2) for name in ("GIF", "WEBP")}
PHOTO = Header("JPEG", 4, 3, is_lossy=True)
LIMITS = Limits(
    max_scale=4, longest_side=16_384, largest_pixels=268_435_456, largest_animation_pixels=100_000_000
)


def parse(*texts: str) -> Output:
    """Parse a form with texts for the first of these fields."""
    fields = ("fit", "output_format", "quality", "metadata", "model")
    return parse_form(pb.UpscaleRequest.Options(**dict(zip(fields, texts, strict=False))), ALWAYS_SERVED)


def test_empty_options_have_their_defaults() -> None:
    assert parse("", "", "", "", "") == Output(None, None, Fit.STRETCH, keeps_metadata=False, model="auto")


def test_options_are_parsed() -> None:
    output = parse("cover", "JPG", " 80 ", "keep", "clean")

    assert output == Output("JPEG", 80, Fit.COVER, keeps_metadata=True, model="clean")


@pytest.mark.parametrize(
    ("texts", "field", "text"),
    [
        (("fill", "", "", "", ""), "fit", "The fit must be one of: stretch, cover, contain."),
        (("", "gif", "", "", ""), "output_format", OUTPUT_FORMATS),
        (("", "bmp", "", "", ""), "output_format", OUTPUT_FORMATS),
        (("", "", "0", "", ""), "quality", "The quality must be between 1 and 100."),
        (("", "", "101", "", ""), "quality", "The quality must be between 1 and 100."),
        (("", "", "80.0", "", ""), "quality", "The quality must be an integer."),
        (("", "", "", "all", ""), "metadata", "The metadata must be one of: strip, keep."),
        (
            ("", "", "", "", "best"),
            "model",
            "The model must be one of: auto, faithful, clean.",
        ),
    ],
)
def test_an_invalid_option_is_named(texts: tuple[str, str, str, str, str], field: str, text: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        parse(*texts)

    assert caught.value.fields == {field: [text]}


@pytest.mark.parametrize(("text", "dpi"), [("", None), ("1", 1), (" 300 ", 300), ("65535", 65_535)])
def test_the_resolution_may_be_chosen(text: str, dpi: int | None) -> None:
    for options in (pb.UpscaleRequest.Options, pb.CreateBatchRequest.Options):
        assert parse_form(options(dpi=text), ALWAYS_SERVED).dpi == dpi


@pytest.mark.parametrize(("text", "precision"), [("", "auto"), ("auto", "auto"), ("exact", "exact")])
def test_the_precision_may_be_chosen(text: str, precision: str) -> None:
    for options in (pb.UpscaleRequest.Options, pb.CreateBatchRequest.Options):
        assert parse_form(options(precision=text), ALWAYS_SERVED).precision == precision


def test_an_unknown_precision_is_named() -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        parse_form(pb.UpscaleRequest.Options(precision="bf16"), ALWAYS_SERVED)

    assert caught.value.fields == {"precision": ["The precision must be one of: auto, exact."]}


@pytest.mark.parametrize("model", ["", "auto", "clean", "art"])
@pytest.mark.parametrize(("text", "level"), [("", None), ("0", 0), (" 3 ", 3)])
def test_the_level_of_denoising_may_be_chosen(model: str, text: str, level: int | None) -> None:
    for options in (pb.UpscaleRequest.Options, pb.CreateBatchRequest.Options):
        form = options(denoise=text, model=model)
        assert parse_form(form, (*ALWAYS_SERVED, "art")).denoise == level


@pytest.mark.parametrize(
    ("text", "model", "problem"),
    [
        ("4", "clean", "The denoise must be between 0 and 3."),
        ("-1", "faithful", "The denoise must be between 0 and 3."),
        ("1.5", "", "The denoise must be an integer."),
        (
            "1",
            "faithful",
            (
                "The model faithful has no levels of denoising: leave the field out, or ask for "
                "auto, clean or art."
            ),
        ),
    ],
)
def test_an_invalid_level_of_denoising_is_named(text: str, model: str, problem: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        parse_form(pb.UpscaleRequest.Options(denoise=text, model=model), ALWAYS_SERVED)

    assert caught.value.fields == {"denoise": [problem]}


@pytest.mark.parametrize(
    ("text", "strength"),
    [("", None), ("0", 0), (" 0.5 ", 0.5), ("1.0", 1), (".25", 0.25), ("0.666667", 0.67), ("1e-05", 0)],
)
def test_the_strength_of_enhance_may_be_chosen(text: str, strength: float | None) -> None:
    for options in (pb.UpscaleRequest.Options, pb.CreateBatchRequest.Options):
        form = options(strength=text, model="enhance")
        assert parse_form(form, (*ALWAYS_SERVED, "enhance")).strength == strength


@pytest.mark.parametrize("text", ["-0.1", "1.01", "50%", "0,5", "nan", "1e5", ".", "1_0"])
def test_a_strength_that_is_no_share_is_named(text: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        parse_form(pb.UpscaleRequest.Options(strength=text, model="enhance"), (*ALWAYS_SERVED, "enhance"))

    assert caught.value.fields == {"strength": ["The strength must be a number between 0 and 1."]}


def test_a_strength_below_1_needs_faithful() -> None:
    served = ("auto", "enhance")
    whole = parse_form(pb.UpscaleRequest.Options(strength="1", model="enhance"), served)
    with pytest.raises(errors.InvalidArgument) as caught:
        parse_form(pb.UpscaleRequest.Options(strength="0.5", model="enhance"), served)

    assert whole.strength == 1
    problem = "The strength must be 1, because the model faithful is not served."
    assert caught.value.fields == {"strength": [problem]}


@pytest.mark.parametrize("model", ["", "faithful"])
def test_only_enhance_takes_a_strength(model: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        parse_form(pb.UpscaleRequest.Options(strength="0.5", model=model), ALWAYS_SERVED)

    problem = f"The model {model or 'auto'} has no strength: leave the field out, or ask for enhance."
    assert caught.value.fields == {"strength": [problem]}


@pytest.mark.parametrize("text", ["0", "-1", "65536", "72.5", "300dpi", "x", "1" * 30])
def test_an_invalid_resolution_is_named(text: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        parse_form(pb.UpscaleRequest.Options(dpi=text), ALWAYS_SERVED)

    is_number = text.lstrip("-").isdigit()
    problem = "must be between 1 and 65535." if is_number else "must be an integer."
    assert caught.value.fields == {"dpi": [f"The dpi {problem}"]}


def test_all_invalid_options_are_named_at_once() -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        parse("x", "x", "x", "x", "x")

    assert list(caught.value.fields) == ["fit", "output_format", "metadata", "model", "quality"]


def test_formats_stay_except_that_bmp_and_still_gif_become_png() -> None:
    formats = {name: Output().format_for(header) for name, header in STILL.items()}

    assert formats == {name: name for name in FORMATS} | {"BMP": "PNG", "GIF": "PNG", "HEIF": "JPEG"}


def test_an_animation_keeps_its_format_and_its_frames_by_default() -> None:
    for name, header in ANIMATED.items():
        assert (Output().format_for(header), Output().frames_for(header)) == (name, 2)
        assert Output(format="PNG").frames_for(header) == 1
    assert Output(format="WEBP").frames_for(ANIMATED["GIF"]) == 2


@pytest.mark.parametrize(
    ("output", "header", "most"),
    [
        (Output(format="WEBP"), PHOTO, WEBP.lossy_pixels),
        (Output(format="WEBP", quality=80), STILL["PNG"], WEBP.lossy_pixels),
        (Output(), Header("WEBP", 4, 3, is_lossy=True), WEBP.lossy_pixels),
        (Output(), STILL["WEBP"], WEBP.other_pixels),
        (Output(format="WEBP"), STILL["PNG"], WEBP.other_pixels),
        (Output(), Header("WEBP", 4, 3, is_lossy=True, has_alpha=True), WEBP.other_pixels),
        (Output(format="WEBP", quality=80, fit=Fit.CONTAIN), PHOTO, WEBP.other_pixels),
        (Output(), ANIMATED["WEBP"], WEBP.frame_pixels),
        (Output(format="WEBP", quality=80), ANIMATED["GIF"], WEBP.frame_pixels),
    ],
)
def test_a_webp_has_no_more_pixels_than_its_encoder_has_memory_for(
    output: Output, header: Header, most: int
) -> None:
    assert not output.size_problem(header, most // 1000, 1000)
    assert f"at most {most}:" in output.size_problem(header, most // 1000 + 1, 1000)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "GIF"])
def test_other_formats_have_no_such_limit(name: Format) -> None:
    assert not Output(format=name).size_problem(STILL["WEBP"], 16_384, 16_384)


def expect_refusal(header: Header, sizes: Options, output: Output) -> dict[str, list[str]]:
    with pytest.raises(errors.InvalidArgument) as caught:
        Original("photo", 1, header).result_size(UploadOptions(sizes, output), LIMITS)
    return caught.value.fields


def test_a_webp_too_large_is_refused_on_the_format_that_was_chosen() -> None:
    text = expect_refusal(Header("PNG", 3000, 3000), Options(2), Output(format="WEBP"))["output_format"][0]

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
def test_a_webp_too_large_is_refused_on_the_size_if_no_format_was_chosen(sizes: Options, field: str) -> None:
    assert list(expect_refusal(Header("WEBP", 3000, 3000), sizes, Output())) == [field]
