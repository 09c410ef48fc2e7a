"""A client uploads an image with `Prefer: wait`, and waits on by `?wait=` if it has not ended by then."""

from tests.chaos.client import Client
from tests.chaos.kinds import Scenario


async def play(client: Client) -> None:
    submission = await client.upload(wait=True)
    if submission.image_id is None:
        return
    image = await client.wait(f"/api/images/{submission.image_id}?wait=10")
    if image and image["status"] == "completed":
        await client.download(image, submission)


SCENARIO = Scenario(name="wait", images=1, weight=3, play=play)
