"""Fixtures of tests that talk to the broker."""

import contextlib
import importlib
from collections.abc import AsyncGenerator
from typing import Any

import nats.js.errors
import pytest

from common import bus
from common.audit import STREAM
from loupe_local.stores import Stores
from tests.local.nats_users import STREAMS, connected


@pytest.fixture(scope="module")
async def operator(stores: Stores) -> AsyncGenerator[Any]:
    """JetStream with every stream, as an operator sees it."""
    async with connected(stores, "operator") as heard:
        js = heard.client.jetstream()
        for name in STREAMS:
            with contextlib.suppress(nats.js.errors.NotFoundError):
                await js.delete_stream(name)
        streams = [
            importlib.import_module(f"{name}.events") for name in ("auth", "billing", "images", "outbound")
        ]
        limits = importlib.import_module("gateway.identity.limits").STREAM
        images = streams[2]
        client_events = importlib.import_module("images.client_events").STREAM
        await bus.declare(
            js,
            *(each.EVENTS for each in streams),
            images.QUEUE,
            images.RESULTS,
            client_events,
            limits,
            bus.DEAD,
            STREAM,
        )
        yield js
