"""A client puts a picture into the store, names it, waits for the result, and downloads it."""

from tests.chaos.client import Client
from tests.chaos.kinds import Scenario


async def play(client: Client) -> None:
    submission = await client.upload_directly()
    if submission:
        await client.follow(submission)


SCENARIO = Scenario(name="direct upload", images=1, weight=2, play=play)
