"""A client cancels a batch, and then has its images queued again: each one ends with a result."""

from tests.chaos.client import Client
from tests.chaos.journal import Wish
from tests.chaos.kinds import Scenario

IMAGES = 4
UNFINISHED = ("pending", "processing")


async def play(client: Client) -> None:
    batch_id, submissions = await client.upload_batch(client.random.randint(2, IMAGES))
    if batch_id is None:
        return
    path = f"/api/batches/{batch_id}"
    await client.pause(0, 1)
    answer = await client.insist("GET", path)
    if answer is None or answer.is_error or answer.json()["data"]["status"] not in UNFINISHED:
        return
    await client.delete(path, submissions, Wish.CANCEL)
    key = {"Idempotency-Key": f"retry-{submissions[0].file_name}"}
    retried = await client.insist("POST", f"{path}/retry", headers=key)
    if retried is not None and retried.is_success:
        for one in submissions:
            one.wish = Wish.RESULT
        await client.wait(path)


SCENARIO = Scenario(name="retry", images=IMAGES, weight=1, play=play)
