"""A client uploads a batch, waits for its end, and downloads all results as one archive."""

import asyncio
import io
import zipfile

from tests.chaos import pictures
from tests.chaos.client import Client
from tests.chaos.journal import Submission
from tests.chaos.kinds import Scenario

IMAGES = 4
REPORT = "report.csv"


async def play(client: Client) -> None:
    batch_id, submissions = await client.upload_batch(client.random.randint(2, IMAGES))
    if batch_id is None:
        return
    batch = await client.wait(f"/api/batches/{batch_id}")
    while batch and batch["status"] == "completed" and not client.is_over.is_set():
        answer = await client.request("GET", f"/api/batches/{batch_id}/archive")
        if answer is not None and answer.is_success:
            await asyncio.to_thread(_compare, client, answer.content, submissions)
            return
        await client.pause(0.2, 0.6)


def _compare(client: Client, archive: bytes, submissions: list[Submission]) -> None:
    """Write down each picture that is missing, broken or not one of the batch."""
    found = set[pictures.Reading]()
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        for name in opened.namelist():
            if name != REPORT:
                found.add(pictures.read(opened.read(name)))
    wanted = {pictures.Reading(one.number, one.width, one.height) for one in submissions}
    if found != wanted:
        client.journal.wrong_downloads.append(f"an archive shows {found}, and its batch is {wanted}")


SCENARIO = Scenario(name="archive", images=IMAGES, weight=1, play=play)
