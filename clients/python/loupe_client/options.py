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
    denoise: int | None
    """How much noise and traces of compression `clean` and `art` take away, 0 to 3."""
    strength: float | None
    """How much of `enhance` the result has, 0 to 1; the rest is `faithful`."""
    precision: str | None
    """`auto` (default), or `exact` for single precision."""
    metadata: str | None
    """`keep` keeps EXIF data in the result; by default (`strip`) it is removed."""
    dpi: int | None
    """The resolution of the result for print, in pixels an inch."""
    expires_in: int | None
    """Seconds from the end of the image until the server deletes it. By default it is kept."""
    webhook_url: str | None
    """The address to which the server sends the events of this upload, signed with the account's secret."""


class Item(Options, total=False):
    """A file of a manifest: a link, or the id of a direct upload, and the options that it has for itself."""

    image_url: str
    upload_id: str
    reference: str
    """Your own name for it, which answers, events, reports and archives tell back."""


NAMES = {
    "scale": "scale_factor",
    "width": "target_width",
    "height": "target_height",
    "fit": "fit",
    "format": "output_format",
    "quality": "quality",
    "model": "model",
    "denoise": "denoise",
    "strength": "strength",
    "precision": "precision",
    "metadata": "metadata",
    "dpi": "dpi",
    "expires_in": "expires_in",
    "webhook_url": "webhook_url",
}
"""The API's name of each option."""


OF_ITEMS = ("image_url", "upload_id", "reference")


def item_fields_of(item: Item) -> dict[str, Any]:
    """Return an item under the names of the API. Raise `InvalidInput` for an unknown option."""
    own = {name: value for name, value in item.items() if name in OF_ITEMS and value is not None}
    return own | fields_of({name: value for name, value in item.items() if name not in OF_ITEMS})


def fields_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options under the names of the API. Raise `InvalidInput` for an unknown one."""
    if unknown := [name for name in options if name not in NAMES]:
        raise InvalidInput(f"There is no option {unknown[0]}. The options are {', '.join(NAMES)}.")
    return {NAMES[name]: value for name, value in options.items() if value is not None}
