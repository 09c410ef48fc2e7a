"""Each service's credential is tried at the real broker. What it may not do or hear is refused."""

import asyncio
import importlib
import json
import re
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats.js import api

from common import bus, messages, redrive
from common.metrics import Readiness
from loupe_local import nats_permissions
from loupe_local.nats_permissions import TABLE
from loupe_local.service_names import NAMES
from loupe_local.stores import Stores
from tests.local.nats_users import STREAMS, connected
from tests.polling import until

FORGED = {
    "auth": (
        "auth.mail_wanted",
        "auth.user_deleted",
        "auth.address_restored",
        "auth.tokens_revoked",
        "auth.user_changed",
        "audit.auth",
    ),
    "billing": ("billing.plan_changed", "billing.usage_changed", "audit.billing"),
    "images": (
        "images.queued.standard",
        "images.queued.priority",
        "images.completed",
        "images.failed",
        "images.cancelled",
        "images.objects_dropped",
        "audit.images",
        "redrive.AUTH.auth-mail",
    ),
    "inference": ("inference.finished",),
    "outbound": ("outbound.webhook_disabled", "audit.outbound"),
    "gateway": ("limits.user-1.9",),
}
"""Subjects that only one service may publish."""
MANAGERS = {
    "images": ("QUEUE", "IMAGES", "RESULTS", "CLIENT_EVENTS", "DEAD"),
    "auth": ("AUTH", "AUDIT"),
    "billing": ("BILLING",),
    "outbound": ("OUTBOUND",),
}
CONSUMERS = [(name, *consumer) for name in NAMES for consumer in TABLE[name].consumes]


async def has_messages(js: Any, stream: str, count: int) -> bool:
    return (await js.stream_info(stream)).state.messages >= count


@pytest.mark.parametrize("name", NAMES)
async def test_a_forged_event_of_another_service_is_refused(stores: Stores, operator: Any, name: str) -> None:
    everything = [subject for subjects in FORGED.values() for subject in subjects]

    async with connected(stores, name) as heard:
        assert await heard.may_publish(*everything) == list(FORGED[name])


@pytest.mark.parametrize("name", NAMES)
async def test_streams_are_purged_deleted_and_read_by_nobody_and_changed_by_their_owner(
    stores: Stores, operator: Any, name: str
) -> None:
    actions = (
        "PURGE",
        "DELETE",
        "SNAPSHOT",
        "RESTORE",
        "MSG.DELETE",
        "MSG.GET",
        "UPDATE",
        "PEER.REMOVE",
        "LEADER.STEPDOWN",
    )
    allowed = [f"UPDATE.{stream}" for stream in STREAMS if stream in MANAGERS.get(name, ())]
    allowed += ["MSG.DELETE.DEAD"] if name == "images" else []
    allowed += ["MSG.GET.CLIENT_EVENTS"] if name == "gateway" else []
    allowed += ["MSG.GET.DEAD"] if name in {"images", "auth", "billing", "outbound"} else []
    subjects = [f"$JS.API.STREAM.{action}.{stream}" for action in actions for stream in STREAMS]
    whole = ["$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES", "$JS.API.INFO", "$JS.API.STREAM.CREATE.SPY"]

    async with connected(stores, name) as heard:
        assert set(await heard.may_publish(*subjects)) == {f"$JS.API.STREAM.{each}" for each in allowed}
        assert await heard.may_publish(*whole) == []


@pytest.mark.parametrize("name", NAMES)
async def test_consumers_of_other_services_are_out_of_reach_and_none_can_be_deleted(
    stores: Stores, operator: Any, name: str
) -> None:
    subjects = [
        *(f"$JS.API.CONSUMER.{do}.{s}.{d}" for do in ("DELETE", "PAUSE", "UNPIN") for _, s, d in CONSUMERS),
        *(f"$JS.API.CONSUMER.CREATE.{stream}" for stream in STREAMS),
        *(f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.spy" for stream in STREAMS),
        *(f"$JS.API.DIRECT.GET.{stream}" for stream in STREAMS),
    ]
    for owner, stream, durable in CONSUMERS:
        if owner != name:
            do = ("MSG.NEXT", "DURABLE.CREATE", "CREATE", "INFO")
            subjects += [f"$JS.API.CONSUMER.{each}.{stream}.{durable}" for each in do]
            subjects += [f"$JS.ACK.{stream}.{durable}.1.1.1.1.0"]

    async with connected(stores, name) as heard:
        assert await heard.may_publish(*subjects) == []


@pytest.mark.parametrize("name", NAMES)
async def test_answers_and_events_of_others_are_not_heard(stores: Stores, name: str) -> None:
    wide = [">", "*.>", "auth.>", "billing.>", "images.>", "inference.>", "limits.>", "dead.>", "_INBOX.>"]
    private = [
        "auth.mail_wanted",
        "images.objects_dropped",
        "inference.finished",
        "$JS.API.>",
        "$JS.ACK.>",
        "$JS.EVENT.>",
        "$SYS.>",
        "_INBOX.*",
        "_INBOX.service.*.>",
        *(f"_INBOX.service.{each}.>" for each in NAMES if each != name),
    ]

    async with connected(stores, name) as heard:
        assert await heard.may_listen(*wide, *private) == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_credential_cannot_answer_in_place_of_the_broker(stores: Stores, name: str) -> None:
    async with connected(stores, name) as heard:
        assert await heard.may_publish(*(f"_INBOX.service.{other}.x" for other in NAMES)) == []


@pytest.mark.parametrize("way", ["republished", "taken from another stream"])
async def test_a_message_that_the_broker_copied_is_refused(stores: Stores, operator: Any, way: str) -> None:
    handled: list[bytes] = []

    async def handle(data: bytes) -> None:
        handled.append(data)

    name, stream = "images.objects_dropped", importlib.import_module("billing.events").EVENTS
    before = (await operator.stream_info("IMAGES")).config
    consumer = messages.Consumer(stream="IMAGES", durable="images-objects", subjects=(name,))
    async with (
        bus.connection(stores.nats_url("billing"), "billing", Readiness()) as billing,
        bus.connection(stores.nats_url("images"), "images", Readiness()) as images,
    ):
        await operator.purge_stream("IMAGES")
        dest = name if way == "republished" else "$JS.API.STREAM.UPDATE.IMAGES"
        republish = api.RePublish(src="billing.plan_changed", dest=dest)
        await billing.jetstream().update_stream(stream.evolve(republish=republish))
        transform = api.SubjectTransform(src="billing.usage_changed", dest=name)
        source = api.StreamSource(name="BILLING", subject_transforms=[transform])
        changed = json.dumps(before.evolve(sources=[source]).as_dict()).encode()
        for subject in ("billing.plan_changed", "billing.usage_changed"):
            await billing.jetstream().publish(subject, changed)
        await until(lambda: has_messages(operator, "IMAGES", 1))
        await operator.publish(name, b"genuine")
        consuming = asyncio.create_task(bus.consume(images.jetstream(), consumer, handle))
        await until(lambda: bool(handled))
        consuming.cancel()
        await asyncio.wait({consuming})
    await operator.update_stream(before)
    await bus.declare(operator, stream)

    assert handled == [b"genuine"]


async def test_a_job_that_a_worker_has_delivered_to_another_subject_is_no_event(
    stores: Stores, operator: Any
) -> None:
    """The broker delivers to any subject to which somebody listens, but messages keep their own subject."""
    handled: list[bytes] = []

    async def handle(data: bytes) -> None:
        handled.append(data)

    async def listen(_: Msg) -> None: ...

    name, jobs = "images.cancelled", "images.queued.standard"
    consumer = messages.Consumer(stream="IMAGES", durable="billing-release", subjects=(name,))
    async with (
        bus.connection(stores.nats_url("inference"), "inference", Readiness()) as worker,
        bus.connection(stores.nats_url("images"), "images", Readiness()) as images,
        bus.connection(stores.nats_url("billing"), "billing", Readiness()) as billing,
    ):
        for stream in ("IMAGES", "QUEUE"):
            await operator.purge_stream(stream)
        await worker.subscribe(name, cb=listen)
        push = api.ConsumerConfig(durable_name="inference-standard", deliver_subject=name)
        await worker.jetstream().add_consumer("QUEUE", push, filter_subject=jobs, ack_policy="explicit")
        await bus.publish(images.jetstream(), jobs, b"a job", message_id="a job")
        await until(lambda: has_messages(operator, "IMAGES", 1))
        await bus.publish(images.jetstream(), name, b"genuine", message_id="genuine")
        consuming = asyncio.create_task(bus.consume(billing.jetstream(), consumer, handle))
        await until(lambda: bool(handled))
        consuming.cancel()
        await asyncio.wait({consuming})
    await operator.delete_consumer("QUEUE", "inference-standard")

    assert handled == [b"genuine"]


async def test_a_redriven_letter_is_handled_by_the_consumer_that_gave_it_up(
    stores: Stores, operator: Any
) -> None:
    handled: list[bytes] = []

    async def handle(data: bytes) -> None:
        handled.append(data)
        if data == b"bad":
            raise messages.Unprocessable("still bad")

    consumer = messages.Consumer(stream="AUTH", durable="auth-mail", subjects=("auth.mail_wanted",))
    letter = await operator.publish("dead.AUTH.auth-mail", b"letter")
    bad = await operator.publish("dead.AUTH.auth-mail", b"bad")
    strange = await operator.publish("dead.AUTH.billing-users", b"letter")
    async with (
        bus.connection(stores.nats_url("auth"), "auth", Readiness()) as auth,
        bus.connection(stores.nats_url("images"), "images", Readiness()) as images,
    ):
        js = images.jetstream()
        with pytest.raises(redrive.errors.Unavailable, match="auth-mail does not answer"):
            await redrive.ask(js, "AUTH", "auth-mail", letter.seq)
        async with redrive.answering(auth.jetstream(), consumer, handle):
            await auth.flush()
            await redrive.ask(js, "AUTH", "auth-mail", letter.seq)
            for each, text in ((bad, "still bad"), (strange, "belongs to another")):
                with pytest.raises(redrive.errors.FailedPrecondition, match=text):
                    await redrive.ask(js, "AUTH", "auth-mail", each.seq)

    assert handled == [b"letter", b"bad"]


async def test_a_refusal_of_the_broker_is_logged(stores: Stores, capsys: pytest.CaptureFixture[str]) -> None:
    logged = ""

    def is_logged() -> bool:
        nonlocal logged
        logged += capsys.readouterr().out
        return "broker refused" in logged

    async with bus.connection(stores.nats_url("inference"), "inference", Readiness()) as client:
        await client.publish("auth.mail_wanted", b"")
        await until(is_logged)

    assert "auth.mail_wanted" in logged


def test_compose_and_the_chart_have_the_permissions_of_the_table() -> None:
    compose = nats_permissions.COMPOSE.read_text()

    assert nats_permissions.for_compose(compose) == compose
    assert len(re.findall("permissions:", compose)) == len(TABLE)
    assert nats_permissions.CHART.read_text() == nats_permissions.for_chart()
    assert nats_permissions.CHART_ACCOUNTS.read_text() == nats_permissions.accounts_for_chart()


def test_the_table_names_what_the_services_declare_and_consume() -> None:
    for name in ("auth", "billing", "images", "inference", "outbound"):
        module = importlib.import_module(f"{name}.events")
        found = {
            (each.stream, each.durable)
            for each in vars(module).values()
            if isinstance(each, messages.Consumer)
        }
        if name == "inference":
            found = {(each.stream, each.durable) for each in module.Queues(30).preference()}
        streams = {each.name for each in vars(module).values() if isinstance(each, api.StreamConfig)}

        assert found == set(TABLE[name].consumes)
        assert streams <= {*TABLE[name].declares, *TABLE[name].creates}
