"""A client repeats an upload with an idempotency key, through any fault, and waits for its one result."""

from tests.chaos.client import Client
from tests.chaos.kinds import Scenario


async def play(client: Client) -> None:
    await client.follow(await client.upload_again_and_again())


SCENARIO = Scenario(name="repeat", images=1, weight=3, play=play)
