"""`loupe-admin objects`: originals and results in the object store."""

from collections.abc import AsyncIterator

from gateway.admin.answers import Answer, enum_name, to_json
from gateway.admin.arguments import Nouns
from gateway.admin.calls import Operator
from loupe.images.v1 import images_pb2


def add_to(nouns: Nouns) -> None:
    noun = nouns.add("objects", "originals and results in the object store: check", "objects check")
    check_parser = noun.verb("check", check, "list images whose original or result is missing", "--json")
    check_parser.add_argument(
        "--mark",
        action="store_true",
        help="also mark these images as failed; read the list without this option first",
    )


async def check(operator: Operator, *, mark: bool) -> AsyncIterator[Answer]:
    """Yield each image with a missing object, and at the end the number of checked images."""
    checked = missing = 0
    async for page in operator.check_objects(mark=mark):
        for image in page.images:
            yield Answer(to_json(image), describe(image))
        checked, missing = checked + page.checked, missing + len(page.images)
    text = f"Checked images: {checked}. Images with a missing object: {missing}."
    if missing:
        text += " They are now failed." if mark else " `--mark` marks them as failed."
    yield Answer({"checked": checked}, text)


def describe(image: images_pb2.ImageWithoutObject) -> str:
    status = enum_name(image.status, image.DESCRIPTOR.fields_by_name["status"].enum_type)
    return f"Image {image.image_id} of user {image.user_id}, {status}: {image.key} is missing."
