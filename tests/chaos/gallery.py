"""A host on the loopback that serves the picture of each number: `/000012.png`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import PurePosixPath

from tests.chaos import pictures
from tests.outbound.servers import Host, answer, host


@asynccontextmanager
async def gallery() -> AsyncGenerator[str]:
    """Yield the address of the host."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while served.heads:
            path = served.heads.pop().split(" ")[1]
            writer.write(answer(pictures.draw(int(PurePosixPath(path).stem)), Content_Type="image/png"))
        await writer.drain()

    served: Host
    async with host(serve) as served:
        yield f"http://{served.address}:{served.port}"
