"""The version of this package, which is that of the Loupe that it was released with."""

from importlib.metadata import PackageNotFoundError, version


def installed() -> str:
    """Return the version; 0 if the source is used without being installed."""
    try:
        return version("loupe-client")
    except PackageNotFoundError:
        return "0"


VERSION = installed()
USER_AGENT = f"loupe-client/{VERSION}"
