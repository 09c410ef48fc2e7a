"""Services log in to stores of the operator by certificates and credentials files, without passwords."""

import asyncio
import contextlib
import functools
import ssl
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from loupe_local.ports import HOST
from loupe_local.service_names import NAMES, WITH_DATABASE
from loupe_local.services import REPOSITORY
from loupe_local.stores import Stores
from tests.certificates import Authority
from tests.chart.checks.all import CHECKS
from tests.chart.environment import containers_of, environment, settings_of
from tests.chart.helm import release
from tests.chart.kubernetes import VERSIONS, problems
from tests.chart.objects import Release
from tests.chart.programs import argv_of, container_of, run

NATS_HOST, DATABASE_HOST = "nats.example.com", "postgres.example.com"


CERTIFICATES = {"clientTls": {"existingSecret": "shared", "existingSecrets": {"gateway": "own"}}}
CREDENTIALS = {"credentials": {"existingSecret": "creds"}}
LOGINS: dict[str, dict[str, Any]] = {"certificates": CERTIFICATES, "credentials": CREDENTIALS}


@functools.cache
def chart_with(login: str) -> Release:
    """Return external stores without passwords: PostgreSQL with certificates, NATS with one of `LOGINS`."""
    databases = {one: {"existingSecret": "", "name": one, "user": one} for one in WITH_DATABASE}
    own = {"existingSecrets": dict.fromkeys(WITH_DATABASE, "mine")}
    return release(
        "external",
        postgresql={
            "existingSecret": "",
            "databases": databases,
            "external": {"host": DATABASE_HOST, "clientTls": own},
        },
        nats={"existingSecret": "", "external": {"host": NATS_HOST, **LOGINS[login]}},
    )


@pytest.mark.parametrize("login", LOGINS)
def test_a_release_without_passwords_is_correct(login: str) -> None:
    chart = chart_with(login)

    variables = {one["name"] for pod in chart.pods for each in pod.containers for one in each.get("env", [])}
    assert [problem for check in CHECKS for problem in check(chart)] == []
    assert [problem for one in chart.objects for problem in problems(one, VERSIONS[0])] == []
    assert variables & {"NATS_PASSWORD", "DATABASE_PASSWORD"} == set()


@pytest.mark.parametrize("service", NAMES)
@pytest.mark.parametrize(
    ("login", "secret", "files"),
    [
        (
            "certificates",
            "nats-tls",
            {"nats_certificate": "/nats-tls/tls.crt", "nats_key": "/nats-tls/tls.key"},
        ),
        ("credentials", "nats-credentials", {"nats_credentials_file": "/nats-credentials/{}.creds"}),
    ],
    ids=["certificates", "credentials"],
)
def test_a_service_finds_its_files_for_the_broker(
    service: str, login: str, secret: str, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chart = chart_with(login)
    (pod, container), *_ = containers_of(chart, service)

    for name, value in environment(chart, container).items():
        monkeypatch.setenv(name, value)
    settings: Any = settings_of(service)()

    mounted = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert settings.nats_url == f"tls://{service}@{NATS_HOST}:4222"
    assert {name: getattr(settings, name) for name in files} == {
        name: file.format(service) for name, file in files.items()
    }
    assert mounted[secret] == f"/{secret}"
    assert secret in {one["name"] for one in pod.spec["volumes"]}


def test_a_service_shows_its_own_certificate_or_else_that_of_all() -> None:
    chart = chart_with("certificates")

    shown = {
        pod.component: volume["secret"]["secretName"]
        for pod in chart.pods
        for volume in pod.spec["volumes"]
        if volume["name"] == "nats-tls"
    }
    assert shown == {**dict.fromkeys(NAMES, "shared"), "gateway": "own"}


@contextlib.asynccontextmanager
async def demanding_certificates(
    stores: Stores, authority: Authority
) -> AsyncGenerator[tuple[int, list[str]]]:
    """Yield a port at which PostgreSQL wants a certificate of the authority, and the names that it saw.

    The server of the wheel has no TLS. This front answers its request for TLS and passes on what follows.
    """
    server, seen = authority.sign("server"), list[str]()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(server.authority))
    context.load_cert_chain(server.certificate, server.key)
    context.verify_mode = ssl.CERT_REQUIRED

    async def front(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)  # the request for TLS
        writer.write(b"S")
        await writer.start_tls(context)
        shown = writer.get_extra_info("peercert")["subject"]
        seen.extend(value for ((_, value),) in shown)
        inner_reader, inner_writer = await asyncio.open_connection(HOST, stores.postgres.port)
        try:
            await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer))
        finally:
            inner_writer.close()
            writer.close()

    listening = await asyncio.start_server(front, HOST)
    async with listening:
        yield listening.sockets[0].getsockname()[1], seen


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while some := await reader.read(1 << 16):
            writer.write(some)
            await writer.drain()
    writer.close()


async def test_a_database_is_migrated_with_a_client_certificate(stores: Stores, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    mine = authority.sign("billing")
    mine.key.chmod(0o600)
    chart = chart_with("credentials")
    container = container_of(chart, "billing", "schema")
    filled = environment(chart, container)
    password = stores.postgres.passwords["billing"]

    async with demanding_certificates(stores, authority) as (port, seen):
        url = (
            filled["BILLING_DATABASE_URL"]
            .replace(f"billing@{DATABASE_HOST}:5432", f"billing:{password}@{HOST}:{port}")
            .replace("/postgresql-tls/tls.crt", str(mine.certificate))
            .replace("/postgresql-tls/tls.key", str(mine.key))
            .replace("sslmode=verify-full&sslrootcert=system", "sslmode=require")
        )
        argv, folder = [*argv_of(container)[:-1], "upgrade"], REPOSITORY / "services" / "billing"
        await run(argv, filled | {"BILLING_DATABASE_URL": url}, folder)

    assert set(seen) == {"billing"}
    assert filled["LOGIN"] == "the client certificate in the Secret mine"
