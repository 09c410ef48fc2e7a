"""Each of the six causes of a 403, refused before any of the body is read. The order of several causes is
tested in test_access and test_batches.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from loupe_local.stack import Stack
from tests.gateway.harness import Harness, People, Person, spend
from tests.gateway.raw_http import Answer, connect
from tests.gateway.test_access import NO_ABILITIES

UPSCALE, BATCHES = "/api/images/upscale", "/api/batches"
TEN_MEGABYTES = 10 << 20


async def answer_to_headers(gateway: Harness, path: str, token: str) -> Answer:
    """Send only headers. Return the first answer; 100 asks for the body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: multipart/form-data; boundary=here\r\nContent-Length: {TEN_MEGABYTES}\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    async with connect(gateway.url) as connection:
        await connection.send(head.encode())
        return await connection.answer()


def days(count: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=count)


async def unverified(people: People) -> Person:
    return await people.new("professional", verified=False)


async def ended(people: People) -> Person:
    person = await people.new()
    await people.operator.set_plan(person.email, "professional", until=days(-1))
    return person


async def free(people: People) -> Person:
    return await people.new()


async def without_batches(people: People) -> Person:
    return await people.new("starter")


async def without_abilities(people: People) -> Person:
    person = await people.new("professional")
    await people.execute_sql("auth", NO_ABILITIES, person.id)
    return person


async def without_quota(people: People) -> Person:
    person = await people.new("professional")
    await people.operator.set_quota(person.email, 0)
    return person


@pytest.mark.parametrize(
    ("who", "path", "code", "message"),
    [
        (unverified, UPSCALE, "email_unverified", "Your email address is not verified."),
        (unverified, BATCHES, "email_unverified", "Your email address is not verified."),
        (ended, UPSCALE, "subscription_expired", "Your subscription has expired."),
        (ended, BATCHES, "subscription_expired", "Your subscription has expired."),
        (free, UPSCALE, "no_api_access", "Your plan does not include API access."),
        (free, BATCHES, "no_api_access", "Your plan does not include API access."),
        (without_batches, BATCHES, "plan_feature_missing", "Your plan does not include batch processing."),
        (without_abilities, UPSCALE, "missing_ability", "The token lacks the ability images:write."),
        (without_abilities, BATCHES, "missing_ability", "The token lacks the ability images:write."),
        (without_quota, UPSCALE, "quota_exceeded", "You have exceeded your monthly image quota."),
        (without_quota, BATCHES, "quota_exceeded", "You have exceeded your monthly image quota."),
    ],
)
async def test_each_cause_has_its_own_code_and_is_refused_before_the_body(
    gateway: Harness,
    people: People,
    who: Callable[[People], Awaitable[Person]],
    path: str,
    code: str,
    message: str,
) -> None:
    person = await who(people)

    answer = await answer_to_headers(gateway, path, person.token)

    assert (answer.status, answer.json["code"], answer.json["message"]) == (403, code, message)
    assert list(answer.json) == ["success", "message", "code", "request_id"]
    assert answer.json["success"] is False
    assert answer.headers["connection"] == "close"


async def test_without_a_token_the_body_is_not_requested(gateway: Harness) -> None:
    answers = [await answer_to_headers(gateway, path, "1|nonsense") for path in (UPSCALE, BATCHES)]

    assert [(answer.status, answer.json["code"]) for answer in answers] == [(401, "unauthenticated")] * 2
    assert {answer.headers["connection"] for answer in answers} == {"close"}


async def test_over_the_hourly_limit_the_body_is_not_requested(
    stack: Stack, gateway: Harness, people: People
) -> None:
    person = await people.new("professional")
    await spend(stack, f"user-{person.id}", 2_000)

    answers = [await answer_to_headers(gateway, path, person.token) for path in (UPSCALE, BATCHES)]

    assert [(answer.status, answer.json["code"]) for answer in answers] == [(429, "too_many_requests")] * 2
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)


async def test_an_allowed_caller_is_asked_for_the_body(gateway: Harness, people: People) -> None:
    person = await people.new("professional")

    answers = [await answer_to_headers(gateway, path, person.token) for path in (UPSCALE, BATCHES)]

    assert [answer.status for answer in answers] == [100, 100]


@pytest.mark.parametrize(
    ("trial", "until", "past_due", "status"),
    [
        (+1, None, False, 100),
        (None, +1, False, 100),
        (-1, None, False, 100),
        (None, -1, False, 403),
        (+1, -1, False, 403),
        (None, None, True, 403),
    ],
    ids=["on trial", "in its grace period", "paid after a trial", "ended", "ended on trial", "unpaid"],
)
async def test_new_images_need_an_active_subscription(
    gateway: Harness, people: People, trial: int | None, until: int | None, past_due: bool, status: int
) -> None:
    person = await people.new()
    ends = [None if each is None else days(each) for each in (trial, until)]
    await people.operator.set_plan(person.email, "starter", *ends, past_due=past_due)

    answer = await answer_to_headers(gateway, UPSCALE, person.token)

    assert answer.status == status
    assert status == 100 or answer.json["code"] == "subscription_expired"
