"""Servers for tests of the guard: a nameserver with chosen answers, and a host that sends chosen bytes."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Records = Mapping[str, Sequence[Sequence[str]]]
"""By name, the addresses of the first answer, of the second, and so on. The last one is repeated.

A name instead of an address is a CNAME.
"""


@dataclass
class Nameserver(asyncio.DatagramProtocol):
    """Answers with these records, and with NXDOMAIN for any other name."""

    records: Records
    questions: Counter[str] = field(default_factory=Counter[str])
    """How often a name was asked for, with its type: `A example.com`."""
    server: str = ""
    """Its address and port, as the guard takes it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answer = self._answer(dns.message.from_wire(data))
        self._transport.sendto(answer.to_wire(), addr)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        [question] = query.question
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        answers = self.records.get(name)
        times = self.questions[f"{kind} {name}"]
        self.questions[f"{kind} {name}"] += 1
        message = dns.message.make_response(query)
        message.flags |= dns.flags.RA
        if answers is None:
            message.set_rcode(dns.rcode.NXDOMAIN)
        else:
            self._add(message, name, kind, answers[min(times, len(answers) - 1)])
        return message

    def _add(self, message: dns.message.Message, name: str, kind: str, values: Sequence[str]) -> None:
        for value in values:
            try:
                own = "AAAA" if ip_address(value).version == 6 else "A"
            except ValueError:
                message.answer.append(dns.rrset.from_text(f"{name}.", 0, "IN", "CNAME", f"{value}."))
                self._add(message, value, kind, self.records[value][0])
                continue
            if own == kind:
                message.answer.append(dns.rrset.from_text(f"{name}.", 0, "IN", kind, value))


@asynccontextmanager
async def nameserver(records: Records) -> AsyncGenerator[Nameserver]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: Nameserver(records), local_addr=("127.0.0.1", 0)
    )
    protocol.server = f"127.0.0.1#{transport.get_extra_info('sockname')[1]}"
    try:
        yield protocol
    finally:
        transport.close()


@dataclass
class Host:
    """A host that serves raw bytes. It keeps the heads of the requests that it got."""

    address: str
    port: int
    connections: int = 0
    heads: list[str] = field(default_factory=list[str])
    bodies: list[bytes] = field(default_factory=list[bytes])
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a connection has ended."""

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.port}/photo.jpg"


@asynccontextmanager
async def host(
    reply: bytes | Handler, address: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[Host]:
    """Serve at this address. `reply` is sent after the request, or takes over the connection then."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            found.heads.append(head)
            found.bodies.append(await reader.readexactly(_length(head)))
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                await reply(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # the guard has hung up
        finally:
            writer.close()
            found.closed.set()

    server = await asyncio.start_server(accept, address, port, ssl=tls)
    async with server:
        found = Host(address, server.sockets[0].getsockname()[1])
        yield found


def _length(head: str) -> int:
    lines = (line.partition(": ") for line in head.split("\r\n"))
    return next((int(value) for name, _, value in lines if name.lower() == "content-length"), 0)


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """Return an answer as bytes. In the names of headers `_` stands for `-`."""
    lines = {"Content-Length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body
