"""A client uploads an image, and deletes it while it waits, while it is worked on, or later."""

from tests.chaos.client import Client
from tests.chaos.journal import Wish
from tests.chaos.kinds import Scenario


async def play(client: Client) -> None:
    submission = await client.upload()
    if submission.image_id is None:
        return
    await client.pause(0, 2)
    await client.delete(f"/api/images/{submission.image_id}", [submission], Wish.DELETE)


SCENARIO = Scenario(name="delete", images=1, weight=2, play=play)
