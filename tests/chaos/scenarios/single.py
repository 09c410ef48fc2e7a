"""A client uploads one image, waits for its result, and downloads it."""

from tests.chaos.client import Client
from tests.chaos.kinds import Scenario


async def play(client: Client) -> None:
    submission = await client.upload()
    if submission.image_id is None:
        return
    image = await client.wait(f"/api/images/{submission.image_id}")
    if image and image["status"] == "completed":
        await client.download(image, submission)


SCENARIO = Scenario(name="single", images=1, weight=6, play=play)
