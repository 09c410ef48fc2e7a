"""While a store is unavailable, a service writes one line for each cause and interval."""

import asyncio
import re
import time
from collections import Counter

import httpx2
import pytest
from PIL import Image

from common.repeated import SECONDS
from loupe_local.service_names import NAMES
from loupe_local.stack import Stack
from tests.e2e.test_faults import until_ready
from tests.pixels import encoded

CALLS = 300
CAUSES = 4
"""An event may have several causes, such as several kinds of errors of the same store."""
LINE = re.compile(r"\S+ (?P<process>\S+) +\| \[\w+ *\] (?P<event>.*?)(  | \w+=|$)")


@pytest.mark.parametrize("store", ["postgres", "nats"])
async def test_an_outage_writes_one_line_for_each_cause_and_interval(
    stack: Stack, jane: httpx2.AsyncClient, store: str
) -> None:
    log = stack.stores.supervisor.state.folder.with_name("stack.log")
    before, began = log.stat().st_size, time.monotonic()

    await stack.stores.supervisor.kill(store)
    photo = encoded(Image.new("RGB", (8, 8)))
    for _ in range(CALLS // 10):
        calls = [jane.get("/api/images"), jane.get("/api/images/1"), jane.get("/api/usage")] * 3
        await asyncio.gather(*calls, jane.post("/api/images/upscale", files={"image": photo}))
    await stack.stores.supervisor.restart(store)
    await until_ready(jane)
    intervals = 1 + (time.monotonic() - began) // SECONDS
    with log.open("rb") as file:
        file.seek(before)
        lines = file.read().decode(errors="replace").splitlines()
    found = Counter(
        (each["process"], each["event"])
        for each in map(LINE.match, lines)
        if each and each["process"] in NAMES
    )

    assert found
    assert {key: count for key, count in found.items() if count > CAUSES * intervals} == {}
