"""Every operation in /openapi.json refuses callers who may not use it, and ids that do not exist."""

import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from loupe.contract import ABILITIES
from loupe_local.stack import Stack
from tests.client import client_of, upload_image
from tests.contract.api_client import SMALL, a_batch
from tests.contract.operations import DOCUMENT, OPERATIONS, Operation
from tests.gateway.harness import PASSWORD, People, Person

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
UNVERIFIED_MAY = {
    "getUser",
    "updateUser",
    "deleteUser",
    "changePassword",
    "logout",
    "revokeAllTokens",
    "listTokens",
    "createToken",
    "revokeToken",
    "resendVerification",
}
NEEDS_NO_ABILITY = {"logout", "revokeToken"}
NEEDS_ALL_ABILITIES = {
    "revokeAllTokens",
    "createToken",
    "updateUser",
    "deleteUser",
    "changePassword",
    "startSecondFactor",
    "confirmSecondFactor",
    "replaceRecoveryCodes",
    "removeSecondFactor",
    "getWebhookSecret",
}
BATCH_OPERATIONS = {
    "createBatch", "listBatches", "getBatch", "deleteBatch", "retryBatch", "listBatchImages",
    "getBatchArchive", "getBatchReport",
}  # fmt: skip


def each_operation(wanted: Callable[[Operation], Any]) -> pytest.MarkDecorator:
    chosen = [one for one in OPERATIONS if wanted(one)]
    assert chosen
    return pytest.mark.parametrize("operation", chosen, ids=[one.name for one in chosen])


def has_code(status: int, code: str) -> Callable[[Operation], bool]:
    def is_described(operation: Operation) -> bool:
        response = operation.spec["responses"].get(str(status), {"content": {"application/json": {}}})
        return code in response["content"]["application/json"].get("examples", {})

    return is_described


def required_abilities(operation: Operation) -> list[str]:
    """Return the abilities that the contract requires, independent of the description."""
    if operation.name in NEEDS_NO_ABILITY:
        return []
    changes_webhooks = operation.path.startswith("/api/webhooks") and operation.method != "GET"
    if operation.name in NEEDS_ALL_ABILITIES or changes_webhooks:
        return list(ABILITIES)
    if operation.path.startswith(("/api/images", "/api/batches", "/api/events", "/api/uploads")):
        return [{"GET": "images:read", "POST": "images:write", "DELETE": "images:delete"}[operation.method]]
    return {"GET": ["user:read"], "POST": ["user:read"]}[operation.method]


def assert_refused(answer: httpx2.Response, operation: Operation, status: int, code: str) -> None:
    """Check that the answer is the refusal that the description shows."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    example = operation.example_of(status, code)
    assert list(answer.json()) == list(example)
    if code != "missing_ability":  # its message has the ability
        assert answer.json()["message"] == example["message"]


async def call(
    client: httpx2.AsyncClient, operation: Operation, token: str = "", **ids: object
) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return await client.request(operation.method, operation.at(**ids), headers=headers)


async def create_token(stack: Stack, person: Person, abilities: list[str]) -> tuple[int, str]:
    """Create another token of this person. Return its id and text."""
    async with client_of(stack, person.token) as client:
        answer = await client.post("/api/user/tokens", json={"name": "Narrow", "abilities": abilities})
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]["token"]["id"], answer.json()["data"]["plain_text"]


@pytest.fixture(scope="session")
async def owner(people: People) -> Person:
    return await people.new("enterprise")


@pytest.fixture(scope="session")
async def stranger(people: People) -> Person:
    return await people.new("enterprise")


async def create_objects(stack: Stack, owner: Person) -> dict[str, int]:
    """Create one object of each kind. Return their ids, by the name of the parameter."""
    async with client_of(stack, owner.token) as client:
        image_id = await upload_image(client, SMALL)
        batch = await a_batch(client, SMALL)
        webhook = await client.post("/api/webhooks", json={"url": "http://127.0.0.1:9/"})
        webhook_id = webhook.json()["data"]["webhook"]["id"]
        delivery = await client.post(f"/api/webhooks/{webhook_id}/test")
    token_id, _ = await create_token(stack, owner, ["user:read"])
    return {
        "image_id": image_id,
        "batch_id": batch.json()["data"]["id"],
        "token_id": token_id,
        "webhook_id": webhook_id,
        "delivery_id": delivery.json()["data"]["id"],
    }


@pytest.fixture(scope="session")
async def objects(stack: Stack, owner: Person) -> dict[str, int]:
    return await create_objects(stack, owner)


@each_operation(lambda one: one.needs_token)
async def test_without_a_token_every_operation_is_refused(
    anyone: httpx2.AsyncClient, operation: Operation
) -> None:
    answer = await call(anyone, operation)

    assert_refused(answer, operation, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "sent", ["Bearer", "Bearer nonsense", "Bearer 1|abc", "Basic eDp5", "Bearer 0|" + "a" * 48]
)
@each_operation(lambda one: one.spec["security"])
async def test_an_invalid_token_is_refused(
    anyone: httpx2.AsyncClient, operation: Operation, sent: str
) -> None:
    answer = await anyone.request(operation.method, operation.at(), headers={"Authorization": sent})

    assert_refused(answer, operation, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@each_operation(lambda one: one.id_name)
async def test_another_users_object_is_not_found(
    anyone: httpx2.AsyncClient,
    owner: Person,
    stranger: Person,
    objects: dict[str, int],
    operation: Operation,
) -> None:
    answer = await call(anyone, operation, stranger.token, **objects)

    assert_refused(answer, operation, 404, f"{operation.id_name.removesuffix('_id')}_not_found")
    tokens = (await call(anyone, by_name("listTokens"), owner.token)).json()["data"]["tokens"]
    assert objects["token_id"] in [token["id"] for token in tokens]
    assert (await call(anyone, by_name("getImage"), owner.token, **objects)).status_code == 200
    batch = await call(anyone, by_name("getBatch"), owner.token, **objects)
    assert batch.json()["data"]["status"] != "cancelled"


@each_operation(lambda one: one.id_name)
async def test_a_deleted_object_is_not_found(
    stack: Stack, anyone: httpx2.AsyncClient, owner: Person, operation: Operation
) -> None:
    objects = await create_objects(stack, owner)
    owned_by = "webhook_id" if operation.id_name == "delivery_id" else operation.id_name
    deletion = next(one for one in OPERATIONS if one.id_name == owned_by and one.method == "DELETE")
    for _ in range(2 if operation.id_name == "batch_id" else 1):  # the first may only cancel a batch
        await call(anyone, deletion, owner.token, **objects)

    answer = await call(anyone, operation, owner.token, **objects)

    assert_refused(answer, operation, 404, f"{operation.id_name.removesuffix('_id')}_not_found")


@pytest.mark.parametrize(
    "written", ["abc", "0", "-1", "1.0", "01", "%2B1", "1e3", "null", str(2**63), "9" * 400]
)
@each_operation(lambda one: one.id_name)
async def test_an_invalid_id_is_not_found(
    anyone: httpx2.AsyncClient, owner: Person, operation: Operation, written: str
) -> None:
    answer = await call(anyone, operation, owner.token, **{operation.id_name: written})

    assert_refused(answer, operation, 404, f"{operation.id_name.removesuffix('_id')}_not_found")


@each_operation(lambda one: one.spec["security"])
async def test_an_unverified_user_can_use_only_the_account(
    anyone: httpx2.AsyncClient, people: People, operation: Operation
) -> None:
    person = await people.new("enterprise", verified=False)

    answer = await call(anyone, operation, person.token)

    if operation.name in UNVERIFIED_MAY:
        assert answer.status_code not in (401, 403), answer.text
    else:
        assert_refused(answer, operation, 403, "email_unverified")


@each_operation(lambda one: one.needs_token)
async def test_the_description_has_the_abilities_of_the_contract(operation: Operation) -> None:
    assert sorted(operation.abilities) == sorted(required_abilities(operation))


@each_operation(lambda one: one.abilities)
async def test_a_token_without_the_ability_is_refused(
    stack: Stack, anyone: httpx2.AsyncClient, owner: Person, operation: Operation
) -> None:
    for lacking in required_abilities(operation):
        _, token = await create_token(stack, owner, [one for one in ABILITIES if one != lacking])

        answer = await call(anyone, operation, token)

        assert_refused(answer, operation, 403, "missing_ability")
        assert answer.json()["message"] == f"The token lacks the ability {lacking}."


@each_operation(lambda one: one.needs_token)
async def test_a_token_needs_only_the_described_ability(
    stack: Stack, anyone: httpx2.AsyncClient, people: People, operation: Operation
) -> None:
    person = await people.new("enterprise")
    token_id, token = await create_token(stack, person, required_abilities(operation) or ["images:read"])

    # a token that was made with a token does not come from a login
    proof = {"current_password": PASSWORD} if has_code(403, "reauthentication_required")(operation) else None
    headers = {"Authorization": f"Bearer {token}"}
    async with anyone.stream(
        operation.method, operation.at(token_id=token_id), headers=headers, json=proof
    ) as answer:  # a stream of events would never end
        assert answer.status_code not in (401, 403), await answer.aread()


async def test_revoking_another_token_needs_all_abilities(
    stack: Stack, anyone: httpx2.AsyncClient, owner: Person, objects: dict[str, int]
) -> None:
    _, token = await create_token(stack, owner, list(ABILITIES[1:]))
    operation = by_name("revokeToken")

    answer = await call(anyone, operation, token, **objects)

    assert_refused(answer, operation, 403, "missing_ability")


@each_operation(lambda one: has_code(403, "no_api_access")(one) or has_code(403, "plan_feature_missing")(one))
async def test_the_free_plan_makes_no_images_and_has_no_batches(
    anyone: httpx2.AsyncClient, people: People, operation: Operation
) -> None:
    person = await people.new()

    answer = await call(anyone, operation, person.token)

    makes_images = has_code(403, "no_api_access")(operation)
    assert_refused(answer, operation, 403, "no_api_access" if makes_images else "plan_feature_missing")


@each_operation(has_code(403, "plan_feature_missing"))
async def test_a_plan_without_batches_refuses_them(
    anyone: httpx2.AsyncClient, people: People, operation: Operation
) -> None:
    person = await people.new("starter")

    answer = await call(anyone, operation, person.token)

    assert_refused(answer, operation, 403, "plan_feature_missing")


async def test_all_batch_operations_need_the_feature() -> None:
    need_it = {one.name for one in OPERATIONS if has_code(403, "plan_feature_missing")(one)}

    assert need_it == BATCH_OPERATIONS


@pytest.mark.parametrize("path", DOCUMENT["paths"])
async def test_a_405_lists_the_methods_of_the_path(
    anyone: httpx2.AsyncClient, owner: Person, path: str
) -> None:
    address = next(one for one in OPERATIONS if one.path == path).at()
    allowed = methods_at(address)

    for method in (*METHODS, "PROPFIND"):
        if method not in allowed:
            answer = await anyone.request(method, address, headers={"Authorization": f"Bearer {owner.token}"})

            assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
            assert answer.headers["allow"] == ", ".join(allowed)


def methods_at(address: str) -> list[str]:
    """Return the methods of the path. `upscale` is no id of an image."""
    paths = {one.path for one in OPERATIONS if re.fullmatch(re.sub(r"{\w+}", "[^/]+", one.path), address)}
    exact = {address} & paths
    found = {one.method for one in OPERATIONS if one.path in (exact or paths)}
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


def by_name(name: str) -> Operation:
    return next(one for one in OPERATIONS if one.name == name)
