"""The options of an upscaling, by the names that people use, and as the API takes them."""

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

from loupe_client.errors import InvalidInput


class Options(TypedDict, total=False):
    """The options of an upload. Without a size, the picture is doubled."""

    scale: int | None
    """2, 3 or 4."""
    width: int | None
    """The exact width of the result in pixels."""
    height: int | None
    """The exact height of the result in pixels."""
    fit: str | None
    """`stretch` (default), `cover` or `contain`: how another aspect ratio fills width and height."""
    format: str | None
    """The format of the result, such as `png`; by default that of the original."""
    quality: int | None
    """1 to 100, for JPEG, WebP, AVIF and JPEG XL."""
    model: str | None
    """`auto` (default), or another of `Loupe.models()`."""
    precision: str | None
    """`auto` (default), or `exact` for single precision."""
    metadata: str | None
    """`keep` keeps EXIF data in the result; by default (`strip`) it is removed."""
    dpi: int | None
    """The resolution of the result for print, in pixels an inch."""
    expires_in: int | None
    """The server deletes the image so many seconds after its end; by default it is kept."""
    webhook_url: str | None
    """Where the server sends the events of this upload, signed with the secret of the account."""


NAMES = {
    "scale": "scale_factor",
    "width": "target_width",
    "height": "target_height",
    "fit": "fit",
    "format": "output_format",
    "quality": "quality",
    "model": "model",
    "precision": "precision",
    "metadata": "metadata",
    "dpi": "dpi",
    "expires_in": "expires_in",
    "webhook_url": "webhook_url",
}
"""The API's name of each option."""


def fields_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options under the names of the API. Raise `InvalidInput` for an unknown one."""
    if unknown := [name for name in options if name not in NAMES]:
        raise InvalidInput(f"There is no option {unknown[0]}. The options are {', '.join(NAMES)}.")
    return {NAMES[name]: value for name, value in options.items() if value is not None}
