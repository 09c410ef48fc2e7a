"""Holds the parts that all commands share: options, the client, and the form of lists."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from loupe_client import AsyncLoupe, Loupe
from loupe_client.command.terminal import shown, table_of
from loupe_client.errors import NotConfigured

QUICK_RETRIES = 2
"""A person waits: short commands give up sooner than long runs."""
ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="URL", help="The address of the server, if not the one of `loupe login`."
    ),
]
Columns = dict[str, Callable[[Any], Any]]
"""The heads of a table, and what each cell is made of."""
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def client_of(server: str | None) -> Loupe:
    """Return a client for a short command. Raise `NotConfigured` if nobody is logged in."""
    return with_token(Loupe(server, retries=QUICK_RETRIES))


def async_client_of(server: str | None, longest_pause_seconds: float = 60) -> AsyncLoupe:
    """Return a client for a long run."""
    return with_token(AsyncLoupe(server, longest_pause_seconds=longest_pause_seconds))


def with_token(client: Any) -> Any:
    if not client.server.token:
        raise NotConfigured(f"Nobody is logged in at {client.server.url}. Run `loupe login`.")
    return client


def show(things: Sequence[Any], columns: Columns, *, as_json: bool) -> None:
    """Print things as a table, in a pipe as lines with tabs, or as JSON lines with all that is known."""
    if as_json:
        for thing in things:
            print_json(thing)
        return
    rows = [[cell_of(read(thing)) for read in columns.values()] for thing in things]
    if sys.stdout.isatty():
        Console().print(table_of(list(columns), rows))
        return
    for row in rows:
        print("\t".join(row))


def cell_of(value: Any) -> str:
    return "" if value is None else shown(value)


def once(text: str) -> Callable[[], None]:
    """Return a function that prints the text on standard error when it is called for the first time."""
    pending = [text]

    def say() -> None:
        while pending:
            print(pending.pop(), file=sys.stderr, flush=True)

    return say


def print_json(thing: Any) -> None:
    """Print one JSON object on one line."""
    data = thing.model_dump(mode="json") if hasattr(thing, "model_dump") else thing
    print(json.dumps(data), flush=True)
