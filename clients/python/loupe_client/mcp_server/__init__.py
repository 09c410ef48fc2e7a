"""Tools by which assistants upscale pictures: a server of the Model Context Protocol.

It acts as the user who started it. Files are read and written in one folder only.
"""

from pathlib import Path
from typing import Literal

from mcp.server import MCPServer

from loupe_client import AsyncLoupe
from loupe_client.mcp_server.tools import Tools
from loupe_client.version import VERSION

INSTRUCTIONS = """\
Loupe upscales pictures by 2, 3 or 4, or to an exact size. Each `upscale` uses one image of the monthly quota.
So call `usage` first, and ask the user before you upscale more than a few pictures. Results are
links that work for an hour; `save` writes a result beside its original."""


def server_of(client: AsyncLoupe, folder: Path) -> MCPServer:
    """Return the server with its tools. Paths of tools are below `folder`."""
    server = MCPServer(
        "loupe", title="Loupe", instructions=INSTRUCTIONS, version=VERSION, log_level="WARNING"
    )
    Tools(client, folder).register(server)
    return server


def serve(client: AsyncLoupe, folder: Path, transport: Literal["stdio", "http"], port: int) -> None:
    """Serve until the other side ends, or until Ctrl-C. HTTP is served on the loopback address only."""
    server = server_of(client, folder)
    if transport == "stdio":
        server.run("stdio")
    else:
        server.run("streamable-http", host="127.0.0.1", port=port)
