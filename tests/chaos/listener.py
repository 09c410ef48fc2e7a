"""A client that follows the events of a user for the whole run, and writes down which endings it heard.

It does what the documentation asks of clients: after a break it sends the last id, to any gateway, and
after the event `reset` it reads its lists again.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Sequence
from typing import Any

import httpx2

from loupe.contract import BATCH_ENDINGS, IMAGE_ENDINGS
from tests.chaos.journal import Journal

SILENCE_SECONDS = 60.0
"""Time without a comment after which a client connects again, as the documentation says."""
RETRY_SECONDS = 0.5
UNFINISHED = ("pending", "processing")
PATHS = {"image": "/api/images", "batch": "/api/batches"}


class Listener:
    def __init__(self, *, token: str, gateways: Sequence[str], journal: Journal) -> None:
        self._journal = journal
        self._gateways = itertools.cycle(gateways)
        self._last_id = ""
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {token}"}, timeout=SILENCE_SECONDS, trust_env=False
        )

    async def listen(self) -> None:
        """Follow events until cancelled."""
        async with self._http:
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    await self._follow(next(self._gateways))
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self, gateway: str) -> None:
        """Read one stream to its end."""
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        async with self._http.stream("GET", f"{gateway}/api/events", headers=headers) as answer:
            if answer.is_client_error:
                self._journal.wrong_answers.append(f"GET /api/events: {answer.status_code}")
            if answer.is_error:
                return
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    self._last_id = value
                elif name == "data":
                    await self._hear(json.loads(value))

    async def _hear(self, event: dict[str, Any]) -> None:
        kind = event["type"].partition(".")[0]
        if event["type"] in {*IMAGE_ENDINGS, *BATCH_ENDINGS}:
            self._journal.heard.add((kind, event["data"]["id"]))
        elif event["type"] == "reset":
            self._journal.resets += 1
            for each, path in PATHS.items():
                await self._read_list(each, path)

    async def _read_list(self, kind: str, path: str) -> None:
        """Write down what has ended by now. Try again until every page was read."""
        page = last = 1
        while page <= last:
            try:
                answer = await self._http.get(
                    next(self._gateways) + path, params={"page": page, "per_page": 100}
                )
            except httpx2.TransportError:
                answer = None
            if answer is None or answer.is_error:
                await asyncio.sleep(RETRY_SECONDS)
                continue
            found = answer.json()
            ended = [one["id"] for one in found["data"] if one["status"] not in UNFINISHED]
            self._journal.heard.update((kind, object_id) for object_id in ended)
            page, last = page + 1, found["meta"]["last_page"]
