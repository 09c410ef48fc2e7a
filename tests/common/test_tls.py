"""Mutual TLS between services: both sides need a certificate of the same authority."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from pydantic import ValidationError

from common import errors, rpc
from common.channel import Channel
from common.identity import Verifier
from common.settings import ServiceSettings
from common.tls import Tls
from loupe.images.v1 import images_pb2 as pb
from loupe.images.v1 import images_pb2_grpc
from tests.certificates import Authority
from tests.common.harness import CALLERS, SERVICE
from tests.internal_tokens import TokenIssuer, always

GET = pb.GetImageRequest(id=1)


class Images(images_pb2_grpc.ImagesServiceServicer):
    async def GetImage(self, request: pb.GetImageRequest, context: rpc.Context) -> pb.GetImageResponse:
        return pb.GetImageResponse()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def port(issuer: TokenIssuer, authority: Authority) -> AsyncGenerator[int]:
    server = rpc.Server(Verifier("images", issuer.jwks), CALLERS)
    images_pb2_grpc.add_ImagesServiceServicer_to_server(Images(), server.grpc)  # pyright: ignore[reportAbstractUsage]
    port = server.bind("127.0.0.1:0", authority.sign("images"))
    serving = asyncio.create_task(server.serve())
    yield port
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def get(port: int, issuer: TokenIssuer, tls: Tls | None) -> pb.GetImageResponse:
    token = always(issuer.user(7, "images:read"))
    channel = Channel(f"127.0.0.1:{port}", SERVICE, token, tls=tls)
    try:
        return await images_pb2_grpc.ImagesServiceStub(channel.grpc).GetImage(GET, timeout=3)
    finally:
        await channel.close()


async def test_client_and_server_of_one_authority_can_talk(
    port: int, issuer: TokenIssuer, authority: Authority
) -> None:
    answer = await get(port, issuer, authority.sign("gateway"))

    assert answer == pb.GetImageResponse()


async def test_a_client_without_a_certificate_is_refused(port: int, issuer: TokenIssuer) -> None:
    with pytest.raises(errors.Unavailable):
        await get(port, issuer, None)


async def test_a_client_of_another_authority_is_refused(
    port: int, issuer: TokenIssuer, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger").sign("mallory")
    ours = authority.sign("gateway")

    with pytest.raises(errors.Unavailable):
        await get(port, issuer, Tls(stranger.certificate, stranger.key, ours.authority))


async def test_a_server_certificate_for_another_address_is_refused(
    issuer: TokenIssuer, authority: Authority
) -> None:
    server = rpc.Server(Verifier("images", issuer.jwks), CALLERS)
    port = server.bind("127.0.0.1:0", authority.sign("elsewhere", address="127.0.0.9"))
    serving = asyncio.create_task(server.serve())

    with pytest.raises(errors.Unavailable):
        await get(port, issuer, authority.sign("gateway"))

    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def test_a_renewed_certificate_ends_the_process(authority: Authority) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    watching = asyncio.create_task(authority.sign("images").end_when_renewed(0.05))
    await asyncio.sleep(0)  # the watcher has started

    while not ended.is_set():
        authority.sign("images")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), 0.2)

    await watching
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)


def test_a_missing_certificate_file_counts_as_unchanged(authority: Authority) -> None:
    tls = authority.sign("images")
    first = tls._contents()

    tls.key.unlink()
    unchanged_while_missing = tls._is_unchanged(first)
    authority.sign("images")

    assert unchanged_while_missing
    assert not tls._is_unchanged(first)


def test_a_certificate_without_its_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="belong together"):
        ServiceSettings(tls_certificate="tls.crt", tls_authority="ca.crt")
