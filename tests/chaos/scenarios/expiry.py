"""A client uploads an image that is to be deleted a minute after its end, and downloads the result before."""

from tests.chaos.client import Client
from tests.chaos.kinds import Scenario


async def play(client: Client) -> None:
    await client.follow(await client.upload_for_a_minute())


SCENARIO = Scenario(name="expiry", images=1, weight=1, play=play, is_slow=True)
