"""The sizes that a client may request, the texts of refusals, and the exact size of the result."""

from dataclasses import replace
from fractions import Fraction
from math import floor

import pytest

from common import errors
from images.uploads.sizing import Limits, Options, output_size, parse

LIMITS = Limits(
    max_scale=4, longest_side=16_384, largest_pixels=268_435_456, largest_animation_pixels=1_000_000
)


def invalid_fields(scale: str = "", width: str = "", height: str = "") -> object:
    with pytest.raises(errors.InvalidArgument) as caught:
        parse(scale, width, height)
    return caught.value.fields


def refused_fields(
    size: tuple[int, int],
    width: int | None = None,
    height: int | None = None,
    *,
    scale: int | None = None,
    limits: Limits = LIMITS,
) -> object:
    with pytest.raises(errors.InvalidArgument) as caught:
        output_size(*size, Options(scale, width, height), limits)
    return caught.value.fields


def round_half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        (("", "", ""), Options(2)),
        (("2", "", ""), Options(2)),
        (("3", "", ""), Options(3)),
        ((" 4 ", "", ""), Options(4)),
        (("+2", "", ""), Options(2)),
        (("02", "", ""), Options(2)),
        (("", "1", ""), Options(None, 1, None)),
        (("", "", "16384"), Options(None, None, 16_384)),
        (("", "300", "200"), Options(None, 300, 200)),
    ],
)
def test_integers_are_parsed_from_text(texts: tuple[str, str, str], options: Options) -> None:
    assert parse(*texts) == options


@pytest.mark.parametrize(
    "text",
    [
        "2.0",
        "2,0",
        "two",
        "0x2",
        "2 3",
        "--2",
        " ",
        "1e1",
        "2\x00",
        "\u00b2",
        "\uff12",
        "\u0662",
        "null",
    ],
)
def test_a_text_that_is_not_an_integer_is_refused_on_its_field(text: str) -> None:
    assert invalid_fields(scale=text) == {"scale_factor": ["The scale factor must be an integer."]}
    assert invalid_fields(width=text) == {"target_width": ["The target width must be an integer."]}
    assert invalid_fields(height=text) == {"target_height": ["The target height must be an integer."]}


@pytest.mark.parametrize("text", ["-2", "0", "1", "5", "9" * 19, "-" + "9" * 5000])
def test_a_scale_factor_out_of_bounds_is_refused(text: str) -> None:
    assert invalid_fields(scale=text) == {"scale_factor": ["The scale factor must be between 2 and 4."]}


@pytest.mark.parametrize("text", ["-1", "0", "16385", "9" * 19, "-" + "9" * 5000])
def test_a_target_out_of_bounds_is_refused(text: str) -> None:
    assert invalid_fields(width=text) == {"target_width": ["The target width must be between 1 and 16384."]}
    assert invalid_fields(height=text) == {
        "target_height": ["The target height must be between 1 and 16384."]
    }


def test_a_factor_with_targets_is_refused_on_all_fields_that_were_sent() -> None:
    one, both = invalid_fields("2", "100", ""), invalid_fields("2", "100", "90")

    factor = ["The scale factor cannot be used with target width or target height."]
    width = ["The target width cannot be used with scale factor."]
    height = ["The target height cannot be used with scale factor."]
    assert one == {"scale_factor": factor, "target_width": width}
    assert both == {"scale_factor": factor, "target_width": width, "target_height": height}


def test_everything_wrong_with_a_field_is_named_at_once() -> None:
    assert invalid_fields("x", "0") == {
        "scale_factor": [
            "The scale factor must be an integer.",
            "The scale factor cannot be used with target width or target height.",
        ],
        "target_width": [
            "The target width must be between 1 and 16384.",
            "The target width cannot be used with scale factor.",
        ],
    }


def test_a_factor_multiplies_both_sides() -> None:
    for factor in (2, 3, 4):
        for width in range(1, 30):
            for height in range(1, 30):
                size = output_size(width, height, Options(factor), LIMITS)

                assert size == (width * factor, height * factor)


def test_a_missing_side_follows_the_ratio_rounded_half_up() -> None:
    for width in range(1, 25):
        for height in range(1, 25):
            for target in range(width + 1, 4 * width + 1):
                size = output_size(width, height, Options(None, target, None), LIMITS)

                assert size == (target, round_half_up(Fraction(height * target, width)))
            for target in range(height + 1, 4 * height + 1):
                size = output_size(width, height, Options(None, None, target), LIMITS)

                assert size == (round_half_up(Fraction(width * target, height)), target)


def test_half_a_pixel_is_rounded_up() -> None:
    assert output_size(2, 1, Options(None, 3, None), LIMITS) == (3, 2)
    assert output_size(4, 2, Options(None, 5, None), LIMITS) == (5, 3)
    assert output_size(4, 3, Options(None, 6, None), LIMITS) == (6, 5)


def test_two_targets_are_used_exactly_within_the_bounds_of_each_side() -> None:
    for width in range(1, 7):
        for height in range(1, 7):
            for target_width in range(1, 30):
                for target_height in range(1, 30):
                    is_possible = (
                        width <= target_width <= 4 * width
                        and height <= target_height <= 4 * height
                        and (target_width, target_height) != (width, height)
                    )
                    options = Options(None, target_width, target_height)
                    try:
                        size = output_size(width, height, options, LIMITS)
                    except errors.InvalidArgument:
                        assert not is_possible, (width, height, options)
                    else:
                        assert is_possible, (width, height, options)
                        assert size == (target_width, target_height)


def test_a_side_that_would_shrink_is_refused_on_its_field() -> None:
    text = "The target {} must not be smaller than the original."

    assert refused_fields((24, 16), 23, 32) == {"target_width": [text.format("width")]}
    assert refused_fields((24, 16), 48, 15) == {"target_height": [text.format("height")]}
    assert refused_fields((24, 16), 23, 15) == {
        "target_width": [text.format("width")],
        "target_height": [text.format("height")],
    }
    assert refused_fields((24, 16), None, 15) == {"target_height": [text.format("height")]}


def test_more_than_the_plans_factor_is_refused_on_the_field_that_was_sent() -> None:
    assert refused_fields((24, 16), 97, 64) == {
        "target_width": ["The target width may not be more than 4 times the original."]
    }
    assert refused_fields((24, 16), None, 65) == {
        "target_height": ["The target height may not be more than 4 times the original."]
    }
    two = replace(LIMITS, max_scale=2)
    assert refused_fields((24, 16), scale=3, limits=two) == {
        "scale_factor": ["The scale factor may not be greater than 2."]
    }


def test_a_target_of_the_original_size_is_refused() -> None:
    text = ["The target must be larger than the original."]

    assert refused_fields((24, 16), 24, 16) == {"target_width": text, "target_height": text}
    assert refused_fields((24, 16), 24) == {"target_width": text}
    assert refused_fields((24, 16), None, 16) == {"target_height": text}


def test_one_side_may_stay_when_the_other_grows() -> None:
    assert output_size(24, 16, Options(None, 24, 17), LIMITS) == (24, 17)
    assert output_size(1000, 1, Options(None, 1001, None), LIMITS) == (1001, 1)


def test_the_bounds_of_the_result_are_inclusive() -> None:
    limits = replace(LIMITS, longest_side=100, largest_pixels=4000)

    assert output_size(25, 10, Options(4), limits) == (100, 40)
    assert refused_fields((26, 9), scale=4, limits=limits) == {
        "scale_factor": ["The scale factor makes a side of 104 pixels; at most 100 are possible."]
    }
    assert refused_fields((25, 11), 100, limits=limits) == {
        "target_width": ["The target width makes 100 x 44 pixels; at most 4000 are possible."]
    }
    assert refused_fields((20, 30), 80, limits=limits) == {
        "target_width": ["The target width makes a side of 120 pixels; at most 100 are possible."]
    }


@pytest.mark.parametrize(("side", "frames", "fits"), [(100, 100, True), (101, 100, False), (500, 1, True)])
def test_all_frames_of_an_animation_count(side: int, frames: int, fits: bool) -> None:
    limits = LIMITS.within(longest_side=16_383, frames=frames)

    if fits:
        assert output_size(side // 2, side // 2, Options(None, side, side), limits) == (side, side)
    else:
        fields = refused_fields((side // 2, side // 2), side, side, limits=limits)
        assert fields == {
            "target_width": ["The target width makes 101 x 101 pixels; at most 10000 are possible."]
        }


def test_a_format_has_its_own_longest_side() -> None:
    limits = LIMITS.within(longest_side=16_383, frames=1)

    assert refused_fields((4096, 16), scale=4, limits=limits) == {
        "scale_factor": ["The scale factor makes a side of 16384 pixels; at most 16383 are possible."]
    }
