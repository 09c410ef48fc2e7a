"""A client uploads one image, waits for its result, and downloads it."""

from tests.chaos.client import Client
from tests.chaos.kinds import Scenario


async def play(client: Client) -> None:
    await client.follow(await client.upload())


SCENARIO = Scenario(name="single", images=1, weight=6, play=play)
