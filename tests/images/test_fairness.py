"""A worker can tell the images of different users apart, but not who the users are."""

from images.convert import to_order
from images.domain import fairness, jobs
from loupe.images.v1 import images_pb2 as pb
from tests.images.harness import RULES, Harness, insert_image, read_events

JANE, OMAR = 1, 2


def test_the_key_is_the_same_for_a_user_and_needs_the_secret() -> None:
    key = fairness.key_of(JANE, b"secret")

    assert key == fairness.key_of(JANE, b"secret")
    assert len({key, fairness.key_of(OMAR, b"secret"), fairness.key_of(JANE, b"other")}) == 3


async def test_the_job_and_its_order_carry_the_same_key(harness: Harness) -> None:
    image = await insert_image(harness.sessions, JANE)
    rules = jobs.Rules(RULES.window, RULES.attempts, RULES.silent_after, fairness_secret=b"x")
    settings = harness.settings.model_copy(
        update={"client_secret": type(harness.settings.client_secret)("x")}
    )

    async with harness.sessions.begin() as session:
        await jobs.lock_user(session, JANE)
        await jobs.dispatch(session, JANE, rules)

    [(_, payload)] = await read_events(harness.sessions)
    submitted = pb.ImageSubmitted.FromString(payload)
    assert submitted.fairness_key == to_order(image, settings).fairness_key == fairness.key_of(JANE, b"x")
