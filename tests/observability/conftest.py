"""Runs a system that sends its spans to a collector of the tests and writes its logs as JSON."""

import json
import os
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import httpx2
import pytest
from PIL import Image

from loupe_local.log import to_file
from loupe_local.service_names import NAMES
from loupe_local.stack import Stack
from loupe_local.stack import stack as run_stack
from tests.client import client_of
from tests.observability.collector import Collector, Received, collector
from tests.pixels import encoded

OVERRIDES = {
    "IMAGES_UNFINISHED_PER_USER": "1",
    "INFERENCE_HEARTBEAT_SECONDS": "0.02",
    "GATEWAY_UNAUTHENTICATED_REQUESTS_PER_HOUR": "1000000",
    **{f"{name.upper()}_LOG_READABLE": "false" for name in NAMES},
}
"""With one unfinished image per user, the second image waits until the first has ended."""
Lines = list[dict[str, Any]]


@dataclass(frozen=True)
class Traced:
    """The running system, its collector and its log file."""

    stack: Stack
    collector: Collector
    log: Path

    def lines(self, service: str, event: str) -> Lines:
        """Return the log lines of this event that the service has written."""
        written = [line.split("|", 1) for line in self.log.read_text().splitlines() if "|" in line]
        texts = [text.strip() for name, text in written if name.split()[-1] == service]
        found: Lines = [json.loads(text) for text in texts if text.startswith("{")]
        return [line for line in found if line["event"] == event]

    def trace_of(self, request_id: str) -> list[Received]:
        """Return the spans of the trace that the worker's log line names for this request."""
        [line] = [
            line
            for line in self.lines("inference", "image upscaled and stored")
            if line["request_id"] == request_id
        ]
        return self.collector.trace(bytes.fromhex(line["trace_id"]))


@pytest.fixture(scope="session")
def collected() -> Generator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture(scope="session")
async def traced(tmp_path_factory: pytest.TempPathFactory, collected: Collector) -> AsyncGenerator[Traced]:
    folder = tmp_path_factory.mktemp("traced")
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collected.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    sink = to_file(folder / "stack.log")
    with mock.patch.dict(os.environ, variables):
        async with run_stack(folder / "state", sink=sink, durable=False, overrides=OVERRIDES) as running:
            yield Traced(running, collected, folder / "stack.log")


@pytest.fixture
async def jane(traced: Traced) -> AsyncGenerator[httpx2.AsyncClient]:
    async with client_of(traced.stack, traced.stack.token) as client:
        yield client


@pytest.fixture
def photo(photos: Path) -> bytes:
    return encoded(Image.open(photos / "chelsea.png").convert("RGB").resize((90, 60)))
