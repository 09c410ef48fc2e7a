"""The client of Loupe, a self-hosted image upscaling service.

    Loupe().upscale("photo.jpg", scale=4).save("photo@4x.jpg")

`AsyncLoupe` is its asynchronous twin, which is imported when it is first used. Importing this package needs
httpx2 and pydantic alone.
"""

from typing import TYPE_CHECKING

from loupe_client import errors, models, webhooks
from loupe_client._sync.client import Loupe
from loupe_client._sync.images import Upscaled
from loupe_client.errors import ApiError, ImageFailed, LoupeError
from loupe_client.event_frames import Event
from loupe_client.version import VERSION as __version__  # noqa: N811  the name that Python tools read

if TYPE_CHECKING:
    from loupe_client._async.client import AsyncLoupe
    from loupe_client._async.images import AsyncUpscaled

__all__ = [
    "ApiError",
    "AsyncLoupe",
    "AsyncUpscaled",
    "Event",
    "ImageFailed",
    "Loupe",
    "LoupeError",
    "Upscaled",
    "__version__",
    "errors",
    "models",
    "webhooks",
]


def __getattr__(name: str) -> object:
    """Import the asynchronous half, which is a fifth of the time of the import, when it is first used."""
    if name not in ("AsyncLoupe", "AsyncUpscaled"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from loupe_client._async import client, images  # noqa: PLC0415

    globals().update(AsyncLoupe=client.AsyncLoupe, AsyncUpscaled=images.AsyncUpscaled)
    return globals()[name]
