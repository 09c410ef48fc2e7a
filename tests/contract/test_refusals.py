"""Refusals, line by line: the status and code of each cause, and the order of causes."""

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of, upload_image, wait_for_status
from tests.contract.api_client import (
    MULTIPART,
    SMALL,
    a_batch,
    answer_to_headers,
    invalid_fields,
    new_email,
    refusal,
)
from tests.gateway.harness import People, gateway_on, settings_of


async def test_an_unreadable_body_is_400(anyone: httpx2.AsyncClient, jane: httpx2.AsyncClient) -> None:
    json = await anyone.post("/api/auth/login", content=b"{", headers={"Content-Type": "application/json"})
    image = await jane.post("/api/images/upscale", content=b"--here\r\nno", headers=MULTIPART)
    batch = await jane.post("/api/batches", content=b"--here\r\nno", headers=MULTIPART)

    assert {refusal(answer)[:2] for answer in (json, image, batch)} == {(400, "malformed_body")}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer 1|nonsense", "Basic eDp5"])
async def test_without_a_valid_token_it_is_401_with_a_challenge(
    anyone: httpx2.AsyncClient, header: str
) -> None:
    answer = await anyone.get("/api/user", headers={"Authorization": header} if header else {})

    assert refusal(answer) == (401, "unauthenticated", "Unauthenticated.")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_wrong_login_is_401_with_an_error_for_the_email(anyone: httpx2.AsyncClient) -> None:
    answer = await anyone.post("/api/auth/login", json={"email": new_email(), "password": "x"})

    assert refusal(answer) == (401, "invalid_credentials", "Invalid credentials")
    assert list(answer.json()["errors"]) == ["email"]


@pytest.mark.parametrize("path", ["/api/images/{}", "/api/images/{}/download", "/api/batches/{}"])
@pytest.mark.parametrize("id_", ["abc", "1.5", "0", "-1", "999999999", str(2**63)])
async def test_an_invalid_or_unknown_id_is_404(jane: httpx2.AsyncClient, path: str, id_: str) -> None:
    answer = await jane.get(path.format(id_))

    noun = "batch" if "batches" in path else "image"
    assert refusal(answer) == (404, f"{noun}_not_found", f"{noun.capitalize()} not found.")


async def test_another_users_object_is_404(jane: httpx2.AsyncClient, omar: httpx2.AsyncClient) -> None:
    image_id = await upload_image(jane, SMALL)
    batch_id = (await a_batch(jane, SMALL)).json()["data"]["id"]
    token_id = (await jane.get("/api/user/tokens")).json()["data"]["tokens"][0]["id"]
    paths = [f"/api/images/{image_id}", f"/api/batches/{batch_id}", f"/api/user/tokens/{token_id}"]

    answers = [await omar.delete(path) for path in paths]
    answers += [await omar.get(path) for path in (*paths[:2], f"{paths[0]}/download")]

    assert [refusal(answer)[1] for answer in answers] == [
        "image_not_found",
        "batch_not_found",
        "token_not_found",
        "image_not_found",
        "batch_not_found",
        "image_not_found",
    ]
    assert {answer.status_code for answer in answers} == {404}
    await wait_for_status(jane, image_id, "completed")


async def test_errors_have_the_texts_of_the_reference(jane: httpx2.AsyncClient) -> None:
    answer = await jane.post("/api/images/upscale", files={"other": b"x"}, data={"scale_factor": "5"})

    assert invalid_fields(answer) == {
        "image": ["The image field is required."],
        "scale_factor": ["The scale factor must be between 2 and 4."],
    }


@pytest.mark.parametrize(("path", "limit"), [("/api/images/upscale", 11 << 20), ("/api/batches", 211 << 20)])
async def test_a_body_over_the_limit_is_413_and_not_read(stack: Stack, path: str, limit: int) -> None:
    answer = await answer_to_headers(stack, path, limit + 1, stack.token)

    assert answer == "HTTP/1.1 413 Request Entity Too Large"


async def test_the_first_cause_in_the_order_is_returned(stack: Stack, people: People) -> None:
    """Each step removes the last cause, until only the body is invalid."""
    person, operator = await people.new(verified=False), people.operator
    async with client_of(stack, person.token) as client:
        made = await client.post("/api/user/tokens", json={"name": "reads", "abilities": ["images:read"]})
    weak = made.json()["data"]["plain_text"]

    async def post(token: str) -> tuple[int, str]:
        async with client_of(stack, token) as client:
            return refusal(await client.post("/api/batches", content=b"no body of ours"))[:2]

    found = [await post(weak[:-1] + "x")]
    await operator.set_plan(person.email, "free")
    found.append(await post(weak))
    await operator.verify_user(person.email)
    await operator.set_plan(person.email, "starter", past_due=True)
    found.append(await post(weak))
    await operator.set_plan(person.email, "free")
    found.append(await post(weak))
    await operator.set_plan(person.email, "starter")
    found.append(await post(weak))
    await operator.set_plan(person.email, "professional")
    await operator.set_quota(person.email, 0)
    found.append(await post(weak))
    found.append(await post(person.token))
    await operator.set_quota(person.email, 1)
    found.append(await post(person.token))

    assert found == [
        (401, "unauthenticated"),
        (403, "email_unverified"),
        (403, "subscription_expired"),
        (403, "no_api_access"),
        (403, "plan_feature_missing"),
        (403, "missing_ability"),
        (403, "quota_exceeded"),
        (422, "validation_failed"),
    ]


async def test_429_comes_before_everything_but_401(stack: Stack, people: People) -> None:
    person = await people.new(verified=False)

    async with client_of(stack, person.token) as client:
        answers = [await client.get("/api/images") for _ in range(101)]

    over = answers[-1]
    assert [refusal(answer)[1] for answer in answers[:100]] == ["email_unverified"] * 100
    assert refusal(over) == (429, "too_many_requests", "Too many requests.")
    assert 0 < int(over.headers["retry-after"]) <= 3600


async def test_an_unexpected_error_is_500_without_details(stack: Stack) -> None:
    async with gateway_on(settings_of(stack)) as gateway, gateway.client() as client:
        answer = await client.get("/api/broken")

    assert refusal(answer) == (500, "internal_error", "Something went wrong on our end. Try again later.")


async def test_authentication_comes_before_the_body_is_read(stack: Stack) -> None:
    assert await answer_to_headers(stack, "/api/images/upscale", 1 << 30) == "HTTP/1.1 401 Unauthorized"
    assert await answer_to_headers(stack, "/api/batches", 1 << 30, "1|x") == "HTTP/1.1 401 Unauthorized"


async def test_entitlement_comes_before_the_body_is_read(stack: Stack, people: People) -> None:
    person = await people.new()

    assert (
        await answer_to_headers(stack, "/api/images/upscale", 1000, person.token) == "HTTP/1.1 403 Forbidden"
    )
