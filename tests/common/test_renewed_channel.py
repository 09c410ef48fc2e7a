"""A channel finds a server soon after its name has an address, and lets calls under way end."""

import asyncio
from dataclasses import dataclass
from typing import cast

import grpc
import pytest

from common import errors, renewed_channel
from common.channel import Channel
from common.renewed_channel import CONNECT_OPTIONS, RenewedChannel
from loupe.images.v1 import images_pb2 as pb
from loupe.images.v1 import images_pb2_grpc
from tests.common.harness import SERVICE, Serve
from tests.inference.conftest import FaultyTriton, faulty, triton_at
from tests.internal_tokens import TokenIssuer, always
from tests.outbound.servers import Nameserver, nameserver
from tests.polling import until

__all__ = ["faulty"]
REQUEST = pb.ListImagesRequest()
UNKNOWN = 6
"""How many answers of DNS have no address. gRPC alone asks for the seventh after 25 seconds."""
SOON_SECONDS = 20.0
RENEW_SECONDS = 0.2
"""The tests replace a channel sooner than the 2 s of services, so that they take less time."""


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    assert renewed_channel.RENEW_SECONDS == 2
    monkeypatch.setattr(renewed_channel, "RENEW_SECONDS", RENEW_SECONDS)


async def empty(_: pb.ListImagesRequest, __: object) -> pb.ListImagesResponse:
    return pb.ListImagesResponse()


@dataclass(frozen=True)
class Names:
    """A nameserver that knows the names below `test` late."""

    server: Nameserver

    def target(self, name: str, port: int) -> str:
        return f"dns://{self.server.server.replace('#', ':')}/{name}.test.:{port}"

    def asked(self, name: str) -> int:
        return self.server.questions[f"A {name}.test"]


async def test_servers_are_found_soon_after_their_names_are_known(
    serve: Serve,
    issuer: TokenIssuer,
    faulty: FaultyTriton,
) -> None:
    images = await serve(ListImages=empty)
    late = [*[[]] * UNKNOWN, ["127.0.0.1"]]

    async with nameserver({"images.test": late, "triton.test": late}) as server:
        names = Names(server)
        await asyncio.gather(
            service_answers(Channel(names.target("images", images.port), SERVICE, always(issuer.user(7)))),
            triton_answers(names.target("triton", int(faulty.target.rpartition(":")[2]))),
            probe_asks(names),
        )

    assert min(map(names.asked, ("images", "triton", "unknown"))) > UNKNOWN


async def service_answers(channel: Channel) -> None:
    stub = images_pb2_grpc.ImagesServiceStub(channel.grpc)

    async def answers() -> bool:
        try:
            await stub.ListImages(REQUEST)
        except errors.Unavailable:
            return False
        return True

    await until(answers, SOON_SECONDS)
    await channel.close()


async def triton_answers(target: str) -> None:
    async with triton_at(target, seconds=1) as triton:
        await until(triton.is_reachable, SOON_SECONDS)


async def probe_asks(names: Names) -> None:
    """The probes of a pod come from another thread, and nobody else uses the channel."""
    channel = Channel(names.target("unknown", 9000), SERVICE)

    async def has_asked() -> bool:
        before = names.asked("unknown")
        is_connected = await asyncio.to_thread(channel.is_connected)
        assert before == 0 or not is_connected
        return names.asked("unknown") > UNKNOWN

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await channel.ready()
    await until(has_asked, SOON_SECONDS)
    await channel.close()


async def test_a_call_under_way_ends_on_the_channel_that_was_replaced(serve: Serve) -> None:
    started, may_end = asyncio.Event(), asyncio.Event()
    opened: list[grpc.aio.Channel] = []

    async def slow(request: pb.ListImagesRequest, context: object) -> pb.ListImagesResponse:
        started.set()
        await may_end.wait()
        return await empty(request, context)

    def open_channel() -> grpc.aio.Channel:
        opened.append(grpc.aio.insecure_channel(f"127.0.0.1:{images.port}", CONNECT_OPTIONS))
        return opened[-1]

    images = await serve(ListImages=slow)
    channel = RenewedChannel(open_channel)
    stub = images_pb2_grpc.ImagesServiceStub(cast("grpc.aio.Channel", channel))
    answer = stub.ListImages(REQUEST)
    await started.wait()

    stopping = asyncio.create_task(images.stop())
    await until(lambda: channel.state() and len(opened) > 1)
    may_end.set()
    answered = await answer
    await stopping
    await channel.close()

    assert answered == pb.ListImagesResponse()
