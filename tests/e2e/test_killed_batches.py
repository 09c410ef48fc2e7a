"""Each service is killed while a manifest's files are fetched and while an archive is read.

Every image of the manifest then ends and is charged once, and the next archive is whole.
"""

import asyncio
import io
import zipfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of, wait_until_used
from tests.contract.api_client import SMALL, a_batch
from tests.gateway.harness import People, Person
from tests.outbound.servers import answer, host
from tests.polling import until

LARGE = 48 << 20
"""More than all buffers between the store and a client hold."""
ITEMS = 6
ON_THE_WAY = ("images", "gateway")
"""An archive passes through these."""
OTHERS = ("auth", "billing", "outbound", "inference")
RESULT = "SELECT upscaled_path FROM image WHERE user_id = %s"
ENLARGE = "UPDATE image SET upscaled_bytes = %s WHERE user_id = %s"
TRY_NOW = """
    UPDATE image_source SET due_at = now(), claimed_until = now() WHERE user_id = %s AND due_at IS NOT NULL
"""
STATES = "SELECT state, count(*) FROM reservation WHERE user_id = %s GROUP BY state"
SECONDS_TO_END = 90


@dataclass
class SilentHost:
    """Answers no request until `may_answer` is set. `asked` counts the requests so far."""

    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0

    async def reply(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        await self.may_answer.wait()
        writer.write(answer(SMALL, Content_Type="image/jpeg"))


@pytest.fixture
async def person(stack: Stack) -> Person:
    return await People(stack).new("enterprise")


@pytest.fixture
async def client(stack: Stack, person: Person) -> AsyncGenerator[httpx2.AsyncClient]:
    async with client_of(stack, person.token) as client:
        yield client


async def an_archive_of_large_files(stack: Stack, person: Person, client: httpx2.AsyncClient) -> str:
    """Return the path of an archive whose result was made large behind its row."""
    batch = (await a_batch(client, SMALL)).json()["data"]
    answer = await client.get(f"/api/batches/{batch['id']}", params={"wait": 60})
    assert answer.json()["data"]["status"] == "completed"
    people, s3 = People(stack), stack.stores.s3
    [(key,)] = await people.read_sql("images", RESULT, person.id)
    await asyncio.to_thread(
        s3.client("images").put_object, s3.bucket, key, io.BytesIO(bytes(LARGE)), LARGE, part_size=1 << 30
    )
    await people.execute_sql("images", ENLARGE, LARGE, person.id)
    return f"/api/batches/{batch['id']}/archive"


async def is_whole_although_killed(
    stack: Stack, client: httpx2.AsyncClient, archive: str, *victims: str
) -> bool:
    """Kill these services in the middle of the archive, read on, and start them again."""
    supervisor, data = stack.stores.supervisor, bytearray()
    async with client.stream("GET", archive) as streamed:
        chunks = streamed.aiter_raw()
        data += await anext(chunks)
        await asyncio.gather(*map(supervisor.kill, victims))
        try:
            async for chunk in chunks:
                data += chunk
        except httpx2.TransportError:
            pass
    await asyncio.gather(*map(supervisor.restart, victims))
    await until(lambda: is_ready(client), SECONDS_TO_END)
    return len(data) == int(streamed.headers["content-length"])


async def is_ready(client: httpx2.AsyncClient) -> bool:
    return (await client.get("/readyz")).is_success


async def test_accounts_are_exact_whichever_service_is_killed_in_mid_manifest_and_mid_archive(
    stack: Stack, person: Person, client: httpx2.AsyncClient
) -> None:
    people, silent = People(stack), SilentHost()
    archive = await an_archive_of_large_files(stack, person, client)
    async with host(silent.reply) as server:
        items = [{"image_url": server.url, "reference": str(number)} for number in range(ITEMS)]
        manifest = (await client.post("/api/batches", json={"items": items})).json()["data"]["id"]
        is_whole = dict[tuple[str, ...], bool]()
        for victims in (OTHERS, *((name,) for name in ON_THE_WAY)):
            asked = silent.asked
            await people.execute_sql("images", TRY_NOW, person.id)
            await until(lambda: silent.asked > asked, SECONDS_TO_END)  # noqa: B023  it is called at once
            is_whole[victims] = await is_whole_although_killed(stack, client, archive, *victims)
        silent.may_answer.set()
        await people.execute_sql("images", TRY_NOW, person.id)
        ended = (await client.get(f"/api/batches/{manifest}", params={"wait": 60})).json()["data"]
        await wait_until_used(client, ITEMS + 1)
        whole = (await client.get(archive)).content

    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        assert (opened.testzip(), len(opened.namelist())) == (None, 2)
    assert is_whole == {OTHERS: True, ("images",): False, ("gateway",): False}
    assert (ended["status"], ended["completed_images"]) == ("completed", ITEMS)
    assert sorted(image["reference"] for image in ended["images"]) == [str(each) for each in range(ITEMS)]
    assert await people.read_sql("billing", STATES, person.id) == [("captured", ITEMS + 1)]
