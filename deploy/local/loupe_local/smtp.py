"""A mail server that writes each mail to a folder: one file for each recipient, named by the time of arrival.

Run it as `python -m loupe_local.smtp --listen HOST:PORT --folder FOLDER`.
"""

import argparse
import asyncio
import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from loupe_local.ports import HOST
from loupe_local.probes import tcp_open
from loupe_local.process import Process
from loupe_local.state import State


@dataclass(frozen=True, kw_only=True)
class Smtp:
    port: int
    mails: Path

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"


def smtp(state: State) -> Smtp:
    return Smtp(port=state.ports("smtp")["smtp"], mails=state.path("mails"))


def process(server: Smtp) -> Process:
    argv = (
        sys.executable,
        "-m",
        "loupe_local.smtp",
        "--listen",
        server.address,
        "--folder",
        str(server.mails),
    )
    return Process(name="smtp", argv=argv, ready=tcp_open(HOST, server.port))


class Folder:
    """A handler for aiosmtpd, which calls `handle_DATA` when a mail is complete."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for draft in folder.glob(".*.eml"):  # of a server that was killed
            draft.unlink(missing_ok=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content or b""
        data = content.encode() if isinstance(content, str) else content
        data = data.replace(b"\r\n", b"\n")  # so that a link that `grep` finds has no invisible end
        for recipient in envelope.rcpt_tos:
            name = f"{time.time_ns():020}-{re.sub(r'[^A-Za-z0-9@._+-]', '_', recipient)[:100]}.eml"
            draft = self._folder / f".{name}"
            draft.write_bytes(data)
            draft.replace(self._folder / name)
        sys.stdout.write(f"wrote a mail for {', '.join(envelope.rcpt_tos)}\n")
        return "250 OK"


async def serve(host: str, port: int, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    handler = Folder(folder)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="localhost", loop=loop, enable_SMTPUTF8=True), host, port
    )
    async with server:
        await stopped.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    arguments = parser.parse_args()
    host, _, port = arguments.listen.rpartition(":")
    asyncio.run(serve(host, int(port), arguments.folder))


if __name__ == "__main__":
    main()
