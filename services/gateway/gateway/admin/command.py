"""Parses the command line, runs the command, and prints its answers, or what is wrong in one sentence."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from importlib import metadata
from typing import Any

from common import errors
from gateway.admin import (
    arguments,
    audit,
    dead,
    failures,
    first_run,
    installation,
    keys,
    objects,
    outcomes,
    own_models,
    plans,
    quotas,
    users,
    webhooks,
)
from gateway.admin.calls import Operator
from gateway.admin.connection import read_settings
from gateway.admin.failures import CommandFailed, UsageError

NOUNS = (
    first_run,
    users,
    plans,
    quotas,
    audit,
    dead,
    webhooks,
    objects,
    outcomes,
    keys,
    installation,
    own_models,
)
LOCAL = (own_models.check_model,)
"""Commands that call no service."""
INTERRUPTED = 130
"""The exit status of a program that Ctrl-C stopped."""
EPILOG = """example:
  loupe-admin user add jane@example.com --plan professional

Each command has its own help: loupe-admin user add --help.
It finds a local stack by itself. Elsewhere, set LOUPE_AUTH_TARGET, LOUPE_BILLING_TARGET,
LOUPE_IMAGES_TARGET and LOUPE_OPERATOR_SECRET, and LOUPE_OUTBOUND_TARGET for webhooks."""


def main() -> None:
    if not sys.argv[1:]:
        build_parser().print_help()
        return
    given = vars(build_parser().parse_args())
    parser, command, as_json = given.pop("parser"), given.pop("command"), given.pop("json")
    if not all(text.isprintable() for text in given.values() if isinstance(text, str)):
        parser.error("an argument is not text: it holds a control character, or it is not UTF-8")
    sys.stdout.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue]  a text file
    try:
        asyncio.run(_run(command, given, as_json=as_json))
        sys.stdout.flush()
    except UsageError as error:
        parser.error(str(error))
    except CommandFailed as error:
        sys.exit(f"loupe-admin: {error}")
    except errors.ServiceError as error:
        sys.exit(f"loupe-admin: {failures.sentence_of(error)}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


async def _run(command: arguments.Command, given: dict[str, Any], *, as_json: bool) -> None:
    """Print each answer that the command returns or yields."""
    answers = command(**given) if command in LOCAL else command(Operator(read_settings()), **given)
    if isinstance(answers, AsyncIterator):
        async for answer in answers:
            answer.print(as_json=as_json)
    else:
        (await answers).print(as_json=as_json)


def build_parser() -> arguments.Parser:
    parser = arguments.Parser(
        prog="loupe-admin", description="Commands for operators of Loupe.", epilog=EPILOG
    )
    arguments.add_json(parser)
    parser.add_argument("--version", action="version", version=metadata.version("loupe-gateway"))
    nouns = arguments.Nouns(parser)
    for module in NOUNS:
        module.add_to(nouns)
    return parser
