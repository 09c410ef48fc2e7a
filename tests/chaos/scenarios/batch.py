"""A client uploads a batch, and waits until all of it has ended."""

from tests.chaos.client import Client
from tests.chaos.kinds import Scenario

IMAGES = 5


async def play(client: Client) -> None:
    batch_id, _ = await client.upload_batch(client.random.randint(2, IMAGES))
    if batch_id is not None:
        await client.wait(f"/api/batches/{batch_id}")


SCENARIO = Scenario(name="batch", images=IMAGES, weight=2, play=play)
