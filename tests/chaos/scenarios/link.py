"""A client sends the address of a picture, waits for the result, and downloads it."""

from tests.chaos.client import Client
from tests.chaos.kinds import Scenario


async def play(client: Client) -> None:
    await client.follow(await client.send_link())


SCENARIO = Scenario(name="link", images=1, weight=2, play=play)
