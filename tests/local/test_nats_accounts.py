"""No answer of the broker does for a service what its own requests may not do."""

import asyncio
import contextlib
import fnmatch
import importlib
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import nats.js.errors
import pytest
from nats.aio.msg import Msg
from nats.js import api

from common import bus
from common.metrics import Readiness
from loupe_local import nats_permissions
from loupe_local.nats_server import binary
from loupe_local.ports import HOST, allocate
from loupe_local.service_names import NAMES
from loupe_local.stores import Stores
from tests.local.nats_users import STREAMS, connected
from tests.polling import until

SEEN = {
    "auth": "AUTH",
    "billing": "BILLING",
    "images": "IMAGES",
    "inference": "RESULTS",
    "outbound": "OUTBOUND",
    "gateway": "LIMITS",
}
"""A stream of which each service may read the state."""
EVENTS = {
    "AUTH": "auth.forged",
    "BILLING": "billing.forged",
    "IMAGES": "images.completed",
    "CLIENT_EVENTS": "events.7.image.completed",
    "QUEUE": "images.queued.standard",
    "RESULTS": "inference.finished",
    "OUTBOUND": "outbound.forged",
    "LIMITS": "limits.forged.9",
    "DEAD": "dead.AUTH.auth-mail",
    "AUDIT": "audit.forged",
}
"""A subject of each stream."""
COUNTED = {"Nats-Incr": "1"}
"""LIMITS stores nothing without this header."""
DURABLES = [each for name in NAMES for each in nats_permissions.TABLE[name].consumes if each[0] != "JOBS"]
HARMFUL = (
    *EVENTS.values(),
    *(f"$JS.API.STREAM.{do}.{stream}" for do in ("DELETE", "PURGE") for stream in STREAMS),
    *(f"$JS.API.CONSUMER.DELETE.{stream}.{durable}" for stream, durable in DURABLES),
    "redrive.AUTH.auth-mail",
)


def requests(name: str) -> list[tuple[str, bytes]]:
    """Return a request for each subject that the service may publish."""
    found: list[tuple[str, bytes]] = []
    for subject in nats_permissions.permissions(name)["publish"]["allow"]:
        is_pull = "CONSUMER.MSG.NEXT" in subject
        body = json.dumps({"batch": 1, "no_wait": True}).encode() if is_pull else b""
        found.append((subject.replace(">", "1.1.1.1.0" if "ACK" in subject else "x"), body))
    return found


def refused(name: str) -> list[str]:
    """Return the harmful subjects that the service may not publish itself."""
    allowed = [each.replace(">", "*") for each in nats_permissions.permissions(name)["publish"]["allow"]]
    return [each for each in HARMFUL if not any(fnmatch.fnmatchcase(each, own) for own in allowed)]


def stored(name: str, stream: str) -> int:
    """Return how many of the service's requests are messages that the stream stores."""
    if stream == "LIMITS":  # it stores no message without a count
        return 0
    if stream == "CLIENT_EVENTS":
        return sum(each.startswith("events.") and each != "events.x" for each, _ in requests(name))
    folder = f"{EVENTS[stream].split('.')[0]}."
    kinds = {"QUEUE": "images.queued.", "DEAD": "dead."}
    subjects = [each for each, _ in requests(name) if each != "events.x"]  # it has no type
    if stream == "IMAGES":
        return sum(each.startswith(folder) and ".queued." not in each for each in subjects)
    return sum(each.startswith(kinds.get(stream, folder)) for each in subjects)


async def arrange(js: Any) -> dict[str, int]:
    """Make all durables, and store a message in each stream. Return the numbers of these messages."""
    for stream, durable in DURABLES:
        subject = f"images.queued.{durable.removeprefix('inference-')}" if stream == "QUEUE" else None
        config = api.ConsumerConfig(
            durable_name=durable, filter_subject=subject, ack_policy=api.AckPolicy.EXPLICIT
        )
        with contextlib.suppress(nats.js.errors.NotFoundError):
            await js.delete_consumer(stream, durable)
        await js.add_consumer(stream, config)
    return {
        stream: (await js.publish(event, headers=COUNTED if stream == "LIMITS" else None)).seq
        for stream, event in EVENTS.items()
    }


async def last(js: Any, stream: str) -> int:
    return (await js.stream_info(stream)).state.last_seq


@pytest.mark.parametrize("name", NAMES)
async def test_the_subject_for_an_answer_reaches_no_stream_and_no_request(
    stores: Stores, operator: Any, name: str
) -> None:
    seeds, harmful = await arrange(operator), refused(name)

    async with connected(stores, name) as heard:
        for reply in harmful:
            for subject, body in requests(name):
                await heard.client.publish(subject, body, reply=reply)
        await heard.client.request(f"$JS.API.STREAM.INFO.{SEEN[name]}", timeout=10)
    found = [(await operator.get_msg(stream, seed)).seq for stream, seed in seeds.items()]
    counts = {stream: await last(operator, stream) - seed for stream, seed in seeds.items()}
    durables = [await operator.consumer_info(*each) for each in DURABLES]

    assert found == list(seeds.values())
    assert counts == {stream: stored(name, stream) * len(harmful) for stream in EVENTS}
    assert len(durables) == len(DURABLES)


@pytest.mark.parametrize("name", NAMES)
async def test_a_consumer_that_delivers_to_a_subject_of_the_broker_reaches_no_stream(
    stores: Stores, operator: Any, name: str
) -> None:
    seeds = await arrange(operator)
    own = [each for each in nats_permissions.TABLE[name].consumes if each in DURABLES]

    async with connected(stores, name) as heard:
        for stream, durable in own:
            await operator.delete_consumer(stream, durable)
            for target in STREAMS:
                subject = f"images.queued.{durable.removeprefix('inference-')}" if stream == "QUEUE" else ""
                config = {
                    "durable_name": durable,
                    "deliver_subject": f"$JS.API.STREAM.DELETE.{target}",
                    "headers_only": True,
                    "ack_policy": "explicit",
                } | ({"filter_subject": subject} if subject else {})
                request = json.dumps({"stream_name": stream, "config": config}).encode()
                api_subject = f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{durable}"
                await heard.client.request(api_subject, request, timeout=10)
                await heard.client.request(f"$JS.API.CONSUMER.INFO.{stream}.{durable}", timeout=10)
    found = [(await operator.get_msg(stream, seed)).seq for stream, seed in seeds.items()]

    assert found == list(seeds.values())


async def test_a_service_hears_the_events_that_it_waits_for(stores: Stores, operator: Any) -> None:
    heard: list[str] = []

    async def note(message: Msg) -> None:
        heard.append(message.subject)

    subjects = {name: nats_permissions.TABLE[name].listens for name in ("gateway", "inference")}
    async with contextlib.AsyncExitStack() as stack:
        clients = {
            name: (await stack.enter_async_context(connected(stores, name))).client
            for name in ("auth", "billing", "images", *subjects)
        }
        for name, each in subjects.items():
            for subject in each:
                await clients[name].subscribe(subject, cb=note)
            await clients[name].flush()
        published = sorted(subject.replace(">", "7.x") for each in subjects.values() for subject in each)
        for subject in published:
            publisher = "images" if subject.startswith("events.") else subject.partition(".")[0]
            await clients[publisher].publish(subject, b"event")
        await until(lambda: len(heard) >= len(published))

    assert sorted(heard) == published


async def test_an_upgrade_from_one_account_keeps_messages_and_consumers(tmp_path: Path) -> None:
    """The streams stay in their account, and the services move to others."""
    ports = allocate(["client"], {})
    permissions = {name: nats_permissions.permissions(name) for name in NAMES}
    users = ",".join(json.dumps({"user": n, "password": "x", "permissions": permissions[n]}) for n in NAMES)
    before = f"  SYS: {{}}\n  APP: {{ jetstream: enabled, users: [{users}] }}"
    stream = importlib.import_module("auth.events").EVENTS

    async with broker(tmp_path, ports["client"], before, "auth") as js:
        await bus.declare(js, stream)
        await js.add_consumer(
            "AUTH", api.ConsumerConfig(durable_name="auth-mail", ack_policy=api.AckPolicy.EXPLICIT)
        )
        sequences = [(await js.publish("auth.mail_wanted", body)).seq for body in (b"first", b"second")]
        first = await pull(js)
        await first.ack_sync()
    after = nats_permissions.configuration(lambda _: "x")
    async with broker(tmp_path, ports["client"], after, "auth") as js:
        await bus.declare(js, stream)
        second = await pull(js)
        await second.ack_sync()
        third = await js.publish("auth.mail_wanted", b"third")

    assert (first.data, second.data) == (b"first", b"second")
    assert (sequences, third.seq) == ([1, 2], 3)


@contextlib.asynccontextmanager
async def broker(folder: Path, port: int, accounts: str, user: str) -> AsyncGenerator[Any]:
    """Run a broker, and yield JetStream as the user sees it."""
    text = f"""
        listen: "{HOST}:{port}"
        jetstream {{ store_dir: {json.dumps(str(folder / "data"))} }}
        accounts {{\n{accounts}\n}}
        system_account: SYS
    """
    (folder / "nats.conf").write_text(text)
    argv = [str(binary("nats-server")), "-c", str(folder / "nats.conf")]
    server = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.DEVNULL)
    try:
        url = f"nats://{user}:x@{HOST}:{port}"
        async with bus.connection(url, user, Readiness()) as client:
            yield client.jetstream()
    finally:
        server.terminate()
        await server.wait()


async def pull(js: Any) -> Msg:
    """Return the next message of the durable of mails, pulled as services pull."""
    inbox = js._nc.new_inbox()
    subscription = await js._nc.subscribe(inbox)
    await js._nc.publish("$JS.API.CONSUMER.MSG.NEXT.AUTH.auth-mail", b'{"batch": 1}', reply=inbox)
    return await subscription.next_msg(timeout=10)
