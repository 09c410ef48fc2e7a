"""`loupe-admin keys`: the keys with which auth signs internal tokens."""

from gateway.admin.answers import Answer, to_json
from gateway.admin.arguments import Nouns
from gateway.admin.calls import Operator


def add_to(nouns: Nouns) -> None:
    noun = nouns.add("keys", "signing keys: rotate", "keys rotate")
    noun.verb("rotate", rotate, "sign with a new key; the old one verifies for ten more minutes", "")


async def rotate(operator: Operator) -> Answer:
    rotated = await operator.rotate_keys()
    text = f"The key {rotated.key_id} signs from now on. The old key verifies for ten more minutes."
    return Answer(to_json(rotated), text)
