"""The command `loupe`. Its libraries are imported when it runs, not with the package."""

import sys


def main() -> None:
    """Run the command and end the process with its exit code."""
    try:
        from loupe_client.command.app import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        sys.exit(f"loupe: the package {error.name} is missing. `pip install loupe-client` brings it.")
    sys.exit(run(sys.argv[1:]))
