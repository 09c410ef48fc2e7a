"""A small receiver of webhooks on the loopback. It shows that the end of the upload arrives, signed."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from standardwebhooks import Webhook, WebhookVerificationError

from loupe_local.ports import HOST

WAIT_SECONDS = 5.0
"""How long the demo waits for it after the result is there."""
LONGEST_BODY = 1 << 20
ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class Receiver:
    """Keeps the first webhook that arrives."""

    def __init__(self) -> None:
        self.url = ""
        self._headers: dict[str, str] = {}
        self._body = b""
        self._arrived = asyncio.Event()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request, and answer that it was received."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = (line.partition(": ") for line in head.split("\r\n")[1:])
            headers = {name.lower(): value for name, _, value in lines}
            body = await reader.readexactly(min(int(headers.get("content-length", "0")), LONGEST_BODY))
            if not self._arrived.is_set():
                self._headers, self._body = headers, body
                self._arrived.set()
            writer.write(ANSWER)
            await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the sender tries again
        finally:
            writer.close()

    async def outcome(self, secret: str) -> str:
        """Wait for the webhook, verify it, and return a line about it for a person."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._arrived.wait()
        except TimeoutError:
            return f"  no webhook arrived within {WAIT_SECONDS:.0f} s: see `make logs NAME=outbound`"
        try:
            Webhook(secret).verify(self._body, self._headers)
        except WebhookVerificationError as error:
            return f"  webhook received, but its signature is wrong: {error}"
        event = json.loads(self._body)
        return f"  webhook received and verified: {event['type']} of image {event['data']['id']}"


@asynccontextmanager
async def receiving() -> AsyncGenerator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.accept, HOST, 0)
    async with server:
        receiver.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}/"
        yield receiver
