"""Read the port that a person wrote as PORT=…. `make up` runs this file before it installs anything."""

import sys

HIGHEST_PORT = 65535


class PortRefused(Exception):
    """The port that a person chose cannot be used. The message says why, and what to do."""


def parse(text: str) -> int:
    """Return the port that a person wrote."""
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= HIGHEST_PORT):
        raise PortRefused(
            f"PORT must be a number from 1 to {HIGHEST_PORT}, for example PORT=8080, not {text!r}"
        )
    return int(text)


if __name__ == "__main__":
    try:
        parse(sys.argv[1])
    except PortRefused as error:
        sys.exit(f"loupe: {error}")
