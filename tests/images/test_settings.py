"""Settings with limits that other parts cannot meet are refused at start-up. The error names the setting."""

import pytest
from pydantic import ValidationError

from images.settings import Settings

REQUIRED = dict.fromkeys(
    (
        "database_url",
        "nats_url",
        "auth_target",
        "billing_target",
        "outbound_target",
        "client_secret",
        "s3_endpoint",
        "s3_public_endpoint",
        "s3_access_key",
        "s3_secret_key",
    ),
    "x",
)


def settings(**values: object) -> Settings:
    return Settings.model_validate(REQUIRED | values)


@pytest.mark.parametrize(
    ("name", "value", "most"),
    [
        ("largest_upload_bytes", 10_485_761, 10_485_760),
        ("largest_input_pixels", 268_435_457, 268_435_456),
        ("largest_output_pixels", 1 << 30, 268_435_456),
        ("largest_animation_pixels", 268_435_457, 268_435_456),
        ("largest_input_pixels", 0, 268_435_456),
    ],
)
def test_a_limit_that_is_not_possible_is_refused(name: str, value: int, most: int) -> None:
    with pytest.raises(ValidationError, match=f"IMAGES_{name.upper()} must be between 1 and {most}"):
        settings(**{name: value})


def test_the_formats_that_are_taken_are_a_list_with_commas() -> None:
    assert settings().formats == ()
    assert settings(formats="jpeg, PNG,heif").formats == ("JPEG", "PNG", "HEIF")
    with pytest.raises(ValidationError, match="there is no format jp2, only jpeg, png"):
        settings(formats="jpeg,jp2")


def test_the_largest_limits_are_possible() -> None:
    found = settings(largest_input_pixels=268_435_456, largest_upload_bytes=10_485_760)

    assert (found.largest_input_pixels, found.largest_upload_bytes) == (268_435_456, 10_485_760)
