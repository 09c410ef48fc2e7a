"""`loupe mcp`: tools for assistants. The package `mcp` is the extra `loupe-client[mcp]`."""

from pathlib import Path
from typing import Annotated

import typer

from loupe_client.command.context import ServerOption, async_client_of
from loupe_client.errors import InvalidInput


def register(app: typer.Typer) -> None:
    app.command("mcp")(mcp)


def mcp(
    folder: Annotated[
        Path, typer.Option("--folder", exists=True, file_okay=False, help="Where files are read and written.")
    ] = Path(),
    http: Annotated[
        int | None,
        typer.Option("--http", metavar="PORT", help="Serve HTTP on 127.0.0.1, at /mcp, instead of stdio."),
    ] = None,
    server: ServerOption = None,
) -> None:
    """Serve tools for assistants by the Model Context Protocol."""
    try:
        from loupe_client.mcp_server import serve  # noqa: PLC0415  an extra
    except ModuleNotFoundError as error:
        raise InvalidInput(f"The package {error.name} is missing: pip install 'loupe-client[mcp]'") from error
    serve(async_client_of(server), folder, "stdio" if http is None else "http", http or 0)
