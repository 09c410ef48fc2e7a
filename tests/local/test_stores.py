"""The stores accept only the right credentials, and listen on the loopback only."""

import asyncio
import email
import json
import os
import signal
import smtplib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from io import BytesIO

import httpx2
import nats
import psutil
import psycopg
import pytest
from nats.js.api import StorageType, StreamConfig

from loupe_local.log import to_file
from loupe_local.service_names import WITH_DATABASE
from loupe_local.state import AlreadyRunning
from loupe_local.stores import Stores, stores
from tests.local.traces import plain

STORES = ("postgres", "nats", "objects", "smtp", "triton")


@pytest.fixture(scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stores]:
    folder = tmp_path_factory.mktemp("stores")
    async with stores(folder, sink=to_file(folder / "log"), durable=False) as up:
        yield up


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def read_log(running: Stores) -> str:
    return (running.supervisor.state.folder / "log").read_text()


@pytest.mark.parametrize("service", WITH_DATABASE)
async def test_a_service_can_open_only_its_own_database(running: Stores, service: str) -> None:
    others = {*WITH_DATABASE, "postgres", "template1"} - {service}

    async with await psycopg.AsyncConnection.connect(plain(running.database_url(service))) as connection:
        await connection.execute("CREATE TEMPORARY TABLE mine (id int)")
    for other in others:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            await psycopg.AsyncConnection.connect(running.postgres.url(service, other, scheme="postgresql"))


async def test_postgres_refuses_a_wrong_password(running: Stores) -> None:
    wrong = plain(running.database_url("images")).replace(running.postgres.passwords["images"], "wrong")

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await psycopg.AsyncConnection.connect(wrong)


async def test_nats_refuses_a_wrong_password(running: Stores) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", running.nats.port)

    writer.write(b'CONNECT {"user": "images", "pass": "wrong"}\r\nPING\r\n')

    assert b"Authorization Violation" in await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_a_counter_stream_counts(running: Stores) -> None:
    client = await nats.connect(running.nats_url("operator"))
    jetstream = client.jetstream()
    limits = StreamConfig(
        name="LIMITS", subjects=["limits.>"], storage=StorageType.MEMORY, allow_msg_counter=True
    )
    await jetstream.add_stream(limits)

    acks = [await jetstream.publish("limits.jane.9", headers={"Nats-Incr": cost}) for cost in ("1", "4")]

    assert [ack.val for ack in acks] == ["1", "5"]
    await client.close()


async def test_a_service_reads_objects_that_the_other_has_written(running: Stores) -> None:
    images, inference = running.s3.client("images"), running.s3.client("inference")
    await asyncio.to_thread(
        images.put_object, running.s3.bucket, "images/originals/b.png", BytesIO(b"pixels"), 6
    )

    link = inference.presigned_get_object(
        running.s3.bucket, "images/originals/b.png", expires=timedelta(minutes=1)
    )

    async with httpx2.AsyncClient(trust_env=False) as http:
        assert (await http.get(link)).content == b"pixels"
        assert (await http.get(link.partition("?")[0])).status_code == 403
        assert (await http.get(link.replace("Signature=", "Signature=0"))).status_code == 403


async def test_a_mail_becomes_a_file(running: Stores) -> None:
    def send() -> None:
        with smtplib.SMTP("127.0.0.1", running.smtp.port) as client:
            for subject in ("first", "second"):
                client.sendmail(
                    "loupe@example.com", ["jane@example.com", "../x@example.com"], f"Subject: {subject}\n\nhi"
                )

    await asyncio.to_thread(send)

    mails = sorted(running.mails.glob("[!.]*-jane@example.com.eml"))
    assert [email.message_from_bytes(one.read_bytes())["Subject"] for one in mails] == ["first", "second"]
    assert len(list(running.mails.iterdir())) == 4


async def test_triton_is_ready_to_infer(running: Stores) -> None:
    assert running.triton is not None

    async with httpx2.AsyncClient(trust_env=False) as http:
        assert "nv_inference_request_success" in (await http.get(running.triton.metrics)).text


async def test_every_metrics_address_answers(running: Stores) -> None:
    async with httpx2.AsyncClient(trust_env=False) as http:
        for address in running.metrics.values():
            assert (await http.get(address)).status_code == 200


async def test_all_servers_listen_on_the_loopback_only(running: Stores) -> None:
    pids = {running.supervisor.pid(name) for name in STORES}
    for pid in list(pids):
        pids |= {child.pid for child in psutil.Process(pid).children(recursive=True)}

    addresses: set[tuple[int | None, str]] = set()
    for one in psutil.net_connections("inet"):
        if one.pid in pids and one.status == psutil.CONN_LISTEN and one.laddr:
            addresses.add((one.pid, one.laddr.ip.removeprefix("::ffff:")))

    assert {pid for pid, _ in addresses} >= {running.supervisor.pid(name) for name in STORES}
    assert {ip for _, ip in addresses} == {"127.0.0.1"}


async def test_a_second_stack_in_the_same_folder_is_refused(running: Stores) -> None:
    with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"):
        async with stores(running.supervisor.state.folder, sink=lambda name, line: None):
            pass


async def test_only_the_owner_can_read_secrets(running: Stores) -> None:
    folder = running.supervisor.state.folder

    for name in ("secrets.json", "nats/nats.conf", "objects/s3.json"):
        assert (folder / name).stat().st_mode & 0o077 == 0, name
    for secret in json.loads((folder / "secrets.json").read_text()).values():
        assert secret not in read_log(running)
        assert secret not in (folder / "local.json").read_text()


async def test_a_killed_nats_comes_back_with_its_streams(running: Stores) -> None:
    client = await nats.connect(
        running.nats_url("operator"), max_reconnect_attempts=-1, reconnect_time_wait=0.05
    )
    jetstream = client.jetstream()
    await jetstream.add_stream(name="TRACES", subjects=["traces"])
    await jetstream.publish("traces", b"1")

    await running.supervisor.kill("nats")
    assert not running.supervisor.is_ready("nats")
    await running.supervisor.restart("nats")

    await until(lambda: client.is_connected)
    assert (await jetstream.stream_info("TRACES")).state.messages == 1
    await client.close()


@pytest.mark.parametrize("name", STORES)
async def test_a_process_that_dies_is_started_again(running: Stores, name: str) -> None:
    before = running.supervisor.pid(name)

    os.kill(before, signal.SIGKILL)

    await until(lambda: not psutil.pid_exists(before))
    await until(lambda: running.supervisor.is_ready(name))
    entry = json.loads((running.supervisor.state.folder / "local.json").read_text())["components"][name]
    assert entry["pid"] == running.supervisor.pid(name) != before
    assert entry["ready"]
    assert entry["restarts"] == 1
