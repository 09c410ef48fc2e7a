"""A client repeats an upload with an idempotency key, through any fault, and waits for its one result."""

from tests.chaos.client import Client
from tests.chaos.kinds import Scenario


async def play(client: Client) -> None:
    submission = await client.upload_again_and_again()
    if submission.image_id is None:
        return
    image = await client.wait(f"/api/images/{submission.image_id}")
    if image and image["status"] == "completed":
        await client.download(image, submission)


SCENARIO = Scenario(name="repeat", images=1, weight=3, play=play)
