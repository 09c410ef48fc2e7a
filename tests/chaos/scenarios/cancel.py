"""A client uploads a batch, and cancels it at any moment. Images that have a result by then keep it."""

from tests.chaos.client import Client
from tests.chaos.journal import Wish
from tests.chaos.kinds import Scenario

IMAGES = 4
UNFINISHED = ("pending", "processing")


async def play(client: Client) -> None:
    batch_id, submissions = await client.upload_batch(client.random.randint(2, IMAGES))
    if batch_id is None:
        return
    await client.pause(0, 2)
    answer = await client.insist("GET", f"/api/batches/{batch_id}")
    if answer is not None and answer.is_success and answer.json()["data"]["status"] in UNFINISHED:
        await client.delete(f"/api/batches/{batch_id}", submissions, Wish.CANCEL)


SCENARIO = Scenario(name="cancel", images=IMAGES, weight=1, play=play)
