"""Services log in to a NATS that demands a client certificate, or a user's JWT."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

import nats.errors
import pytest
from nats.aio.client import Client
from pydantic import ValidationError

from common import bus
from common.broker_login import BrokerLogin, UnusableCredentials
from common.metrics import Readiness
from common.settings import ServiceSettings
from common.tls import Tls
from loupe_local.nats_server import binary
from loupe_local.ports import HOST, allocate
from tests.certificates import Authority
from tests.common.nats_jwt import ACCOUNT, OPERATOR, USER, Identity, server_settings, write_credentials
from tests.polling import until

MAPPED = "verify_and_map: true"
"""The server takes the certificate's name for the user."""


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.crt"))
    return Authority(tmp_path)


@pytest.fixture
def port() -> int:
    return allocate(["nats"], {})["nats"]


@contextlib.asynccontextmanager
async def broker(folder: Path, port: int, settings: str) -> AsyncGenerator[None]:
    """Run a server with these lines of configuration until it listens."""
    config = folder / "nats.conf"
    config.write_text(f'listen: "{HOST}:{port}"\n{settings}')
    process = await asyncio.create_subprocess_exec(
        binary("nats-server"), "-c", config, "-l", folder / "nats.log"
    )

    async def is_open() -> bool:
        assert process.returncode is None, (folder / "nats.log").read_text()
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()
            return True
        return False

    try:
        await until(is_open)
        yield
    finally:
        process.terminate()
        await process.wait()


def tls(server: Tls, demand: str = "verify: true") -> str:
    files = f"cert_file: '{server.certificate}', key_file: '{server.key}', ca_file: '{server.authority}'"
    return f"tls {{ {files}, {demand} }}\n"


def shown(client: Tls) -> BrokerLogin:
    return BrokerLogin(certificate=client.certificate, key=client.key)


@contextlib.asynccontextmanager
async def connected(url: str, login: BrokerLogin) -> AsyncGenerator[Client]:
    async with asyncio.timeout(30), bus.connection(url, "tests", Readiness("broker"), login) as client:
        yield client


async def refusal(url: str, login: BrokerLogin) -> str:
    """Return why the broker refuses the login. Raise `AssertionError` if it does not."""
    client = Client()
    with pytest.raises((nats.errors.Error, OSError)) as refused:
        await client.connect(login.address(url), allow_reconnect=False, connect_timeout=20, **login.options())
    await client.close()
    return str(refused.value)


async def test_a_service_shows_its_certificate_beside_its_password(
    tmp_path: Path, port: int, authority: Authority
) -> None:
    url = f"tls://gateway:secret@{HOST}:{port}"
    accounts = "authorization { user: gateway, password: secret }\n"

    async with broker(tmp_path, port, tls(authority.sign("server")) + accounts):
        async with connected(url, shown(authority.sign("gateway"))) as client:
            await client.flush()
        refused = await refusal(url, BrokerLogin())

    assert "secret" not in refused


async def test_a_certificate_alone_is_a_login_if_the_broker_maps_its_name(
    tmp_path: Path, port: int, authority: Authority
) -> None:
    users = 'authorization { users: [ { user: "CN=gateway", permissions: { publish: "allowed" } } ] }\n'

    async with broker(tmp_path, port, tls(authority.sign("server"), MAPPED) + users):
        async with connected(f"tls://gateway@{HOST}:{port}", shown(authority.sign("gateway"))) as client:
            await client.flush()
        await refusal(f"tls://gateway@{HOST}:{port}", shown(authority.sign("stranger")))


async def test_a_renewed_certificate_is_used_for_the_next_connection(
    tmp_path: Path, port: int, authority: Authority
) -> None:
    settings = tls(authority.sign("server"), MAPPED)
    users = 'authorization {{ users: [ {{ user: "CN={}" }} ] }}\n'
    mine = authority.sign("before")

    async with contextlib.AsyncExitStack() as server:
        await server.enter_async_context(broker(tmp_path, port, settings + users.format("before")))
        async with connected(f"tls://{HOST}:{port}", shown(mine)) as client:
            await server.aclose()
            after = authority.sign("after")
            mine.certificate.write_bytes(after.certificate.read_bytes())
            mine.key.write_bytes(after.key.read_bytes())
            await server.enter_async_context(broker(tmp_path, port, settings + users.format("after")))
            await until(lambda: client.is_connected)


async def test_a_credentials_file_replaces_the_password(tmp_path: Path, port: int) -> None:
    operator, account, user = Identity(OPERATOR), Identity(ACCOUNT), Identity(USER)
    write_credentials(tmp_path / "gateway.creds", account, user, sub={"allow": ["_INBOX.service.gateway.>"]})
    write_credentials(tmp_path / "stranger.creds", Identity(ACCOUNT), user)
    url = f"nats://gateway@{HOST}:{port}"

    async with broker(tmp_path, port, server_settings(operator, account)):
        async with connected(url, BrokerLogin(credentials=tmp_path / "gateway.creds")) as client:
            with pytest.raises(nats.errors.NoRespondersError):
                await client.request("nobody", timeout=10)
        refused = await refusal(url, BrokerLogin(credentials=tmp_path / "stranger.creds"))

    assert "Authorization Violation" in refused


def test_a_file_without_credentials_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "gateway.creds").write_text("SUAsecret")

    with pytest.raises(UnusableCredentials) as refused:
        BrokerLogin(credentials=tmp_path / "gateway.creds").options()

    assert "gateway.creds is no credentials file" in str(refused.value)
    assert "SUAsecret" not in str(refused.value)


def test_certificate_and_key_are_refused_alone() -> None:
    with pytest.raises(ValidationError, match="nats_certificate and nats_key belong together"):
        ServiceSettings(nats_certificate="/tls/tls.crt")
