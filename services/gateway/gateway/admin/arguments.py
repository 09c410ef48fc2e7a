"""The grammar `loupe-admin NOUN VERB …`, and the types of its arguments."""

import argparse
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from gateway.admin.answers import Answer

Command = Callable[..., Awaitable[Answer] | AsyncIterator[Answer]]
"""Takes an `Operator`, and the arguments of the command line by name."""
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Parser(argparse.ArgumentParser):
    """Prints examples as they are written, and a usage error on one line with the way to the help."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message: str) -> NoReturn:
        if re.search("required: (NOUN|VERB)$", message):
            self.print_help(sys.stderr)
            self.exit(2)
        self.exit(2, f"{self.prog}: {message}. See `{self.prog} --help`.\n")


class Nouns:
    """Adds nouns to the parser of `loupe-admin`."""

    def __init__(self, parser: Parser) -> None:
        self._nouns = parser.add_subparsers(required=True, metavar="NOUN", title="nouns")

    def add(self, noun: str, text: str, example: str) -> "Noun":
        """Add a noun. `example` is what follows `loupe-admin`."""
        description = f"{text[0].upper()}{text[1:]}."
        parser = self._nouns.add_parser(noun, help=text, description=description, epilog=_example(example))
        return Noun(noun, parser)

    def add_command(self, noun: str, command: Command, text: str) -> None:
        """Add a noun that is a command itself, without verbs and arguments."""
        description = f"{text[0].upper()}{text[1:]}."
        parser = self._nouns.add_parser(noun, help=text, description=description, epilog=_example(noun))
        add_json(parser, default=argparse.SUPPRESS)
        parser.set_defaults(command=command, parser=parser)


class Noun:
    """Adds verbs to the parser of a noun."""

    def __init__(self, noun: str, parser: argparse.ArgumentParser) -> None:
        self._noun = noun
        add_json(parser, default=argparse.SUPPRESS)
        self._verbs = parser.add_subparsers(required=True, metavar="VERB", title="verbs")

    def verb(self, verb: str, command: Command, text: str, example: str) -> argparse.ArgumentParser:
        """Add a verb. `example` is what follows `loupe-admin NOUN VERB`."""
        description = f"{text[0].upper()}{text[1:]}."
        epilog = _example(f"{self._noun} {verb} {example}".rstrip())
        parser = self._verbs.add_parser(verb, help=text, description=description, epilog=epilog)
        add_json(parser, default=argparse.SUPPRESS)
        parser.set_defaults(command=command, parser=parser)
        return parser


def add_json(parser: argparse.ArgumentParser, default: object = False) -> None:
    parser.add_argument(
        "--json", action="store_true", default=default, help="print each answer as JSON on one line"
    )


def add_email(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("email", metavar="EMAIL", help="the address of the user")


def time(text: str) -> datetime:
    """Parse a time as in ISO 8601. Without an offset it is UTC."""
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        message = f"{text!r} is not a time as in ISO 8601, such as 2026-02-01 or 2026-02-01T12:00Z"
        raise argparse.ArgumentTypeError(message) from error


def past_time(text: str) -> datetime:
    """Parse an age such as 24h or 7d, or a time."""
    if found := re.fullmatch(r"(\d{1,5})([mhd])", text, re.ASCII):
        return datetime.now(UTC) - timedelta(**{UNITS[found[2]]: int(found[1])})
    return time(text)


def count(text: str) -> int:
    """Parse a number from 1 on."""
    if not re.fullmatch(r"0*[1-9]\d{0,17}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def quota(text: str) -> int | None:
    """Parse a monthly quota. None means unlimited. The billing service decides which numbers are allowed."""
    if text == "unlimited":
        return None
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number of images nor `unlimited`")
    return int(text)


def month(text: str) -> str:
    """Return the first day of a month as the billing service reads it. The day may be left out."""
    return f"{text}-01" if re.fullmatch(r"\d{4}-\d{2}", text, re.ASCII) else text


def _example(text: str) -> str:
    return f"example:\n  loupe-admin {text}"
