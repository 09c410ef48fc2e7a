"""A client sends a manifest of links until it is accepted, and waits until all of it has ended."""

from tests.chaos.client import Client
from tests.chaos.kinds import Scenario

IMAGES = 8


async def play(client: Client) -> None:
    batch_id, submissions = await client.send_manifest(client.random.randint(2, IMAGES))
    if batch_id is not None and await client.wait(f"/api/batches/{batch_id}"):
        await client.follow(submissions[0])


SCENARIO = Scenario(name="manifest", images=IMAGES, weight=2, play=play)
