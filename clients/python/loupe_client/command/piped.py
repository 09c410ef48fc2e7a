"""`loupe upscale -`: from standard input to a file or to standard output."""

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loupe_client import Loupe, Upscaled
from loupe_client.command import exits
from loupe_client.command.context import client_of
from loupe_client.command.run import taken
from loupe_client.errors import ImageFailed, InvalidInput, NotFound
from loupe_client.options import fields_of
from loupe_client.pictures import format_of

SOURCE = "-"
"""The name of standard input and of standard output."""
NAME = "image"


def upscale(
    server: str | None, options: Mapping[str, Any], output: str | None, *, overwrite: bool, dry_run: bool
) -> int:
    """Upscale the picture on standard input, and return the exit code.

    For a day, the same picture with the same options leads to the same image of the server, so that a
    repetition is not charged again. Raise `InvalidInput` if there is no picture or no place for the result.
    """
    if dry_run:
        raise InvalidInput("A dry run needs files, folders or links, and not standard input.")
    place = None if output in (None, SOURCE) else Path(str(output))
    if place is None and sys.stdout.isatty():
        raise InvalidInput("The result would go to the terminal. Name a file with -o, or send it on.")
    if place and place.is_dir():
        raise InvalidInput(f"{place} is a folder, and the picture has no name: name a file.")
    if place and place.exists() and not overwrite:
        raise InvalidInput(taken(place))
    if place and "format" not in options and (wanted := format_of(place.suffix)):
        options = {**options, "format": wanted}
    with client_of(server) as client:
        data = sys.stdin.buffer.read()
        if not data:
            raise InvalidInput("There is nothing on standard input.")
        upscaled = upscale_once(client, data, options)
        if place:
            upscaled.save(place)
        else:
            sys.stdout.buffer.write(upscaled.read())
            sys.stdout.buffer.flush()
    return exits.DONE


def upscale_once(client: Loupe, data: bytes, options: Mapping[str, Any]) -> Upscaled:
    """Upscale a picture, or take its image of an earlier run.

    An image that was deleted meanwhile, or that failed without a fault of the picture, is made anew.
    """
    try:
        return client.upscale(data, filename=NAME, idempotency_key=key_of(data, options), **options)
    except (ImageFailed, NotFound) as error:
        if isinstance(error, ImageFailed) and not error.retryable:
            raise
    return client.upscale(data, filename=NAME, **options)


def key_of(data: bytes, options: Mapping[str, Any]) -> str:
    """Return the idempotency key of a picture with its options."""
    digest = hashlib.sha256(json.dumps(fields_of(options), sort_keys=True).encode())
    digest.update(data)
    return digest.hexdigest()
