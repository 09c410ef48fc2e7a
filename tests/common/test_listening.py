"""Servers listen on IPv6 addresses, and those on `::` take IPv4 connections too."""

import asyncio
import contextlib
import socket

import grpc
import httpx2
import pytest

from common import metrics, rpc
from common.identity import Verifier
from common.listening import host_and_port, listening_socket
from common.metrics import Readiness
from tests.common.harness import CALLERS
from tests.internal_tokens import TokenIssuer
from tests.polling import until


def test_an_address_in_brackets_is_read() -> None:
    assert host_and_port("[::]:9090") == ("::", 9090)
    assert host_and_port("0.0.0.0:9090") == ("0.0.0.0", 9090)  # noqa: S104  not opened here


def test_a_socket_for_all_ipv6_addresses_takes_ipv4_connections() -> None:
    """The kernel allows that for the address `::` alone, so nothing else can show it."""
    with (
        listening_socket("[::]:0") as opened,
        socket.create_connection(("127.0.0.1", opened.getsockname()[1])) as client,
    ):
        assert (opened.family, client.family) == (socket.AF_INET6, socket.AF_INET)


async def test_probes_are_answered_over_ipv6() -> None:
    with listening_socket("[::1]:0") as probe:
        port = probe.getsockname()[1]
    serving = asyncio.create_task(metrics.serve(f"[::1]:{port}", Readiness()))
    async with httpx2.AsyncClient(base_url=f"http://[::1]:{port}", trust_env=False) as client:

        async def is_healthy() -> bool:
            with contextlib.suppress(httpx2.ConnectError):
                return (await client.get("/healthz")).text == "ok"
            return False

        await until(is_healthy)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


async def test_calls_are_answered_over_ipv6(issuer: TokenIssuer) -> None:
    server = rpc.Server(Verifier("images", issuer.jwks), CALLERS)
    port = server.bind("[::1]:0")
    serving = asyncio.create_task(server.serve())

    async with grpc.aio.insecure_channel(f"[::1]:{port}") as channel:
        async with asyncio.timeout(20):
            await channel.channel_ready()

    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
