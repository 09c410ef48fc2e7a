"""Who may do what: every operation that is described against everybody who may not, and what is nobody's."""

import re
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from client import accepted, client_of

from gateway.identity.access import ABILITIES
from loupe_local.stack import Stack
from tests.contract.asking import SMALL, a_batch
from tests.contract.described import DOCUMENT, OPERATIONS, Operation
from tests.gateway.gateway_rig import People, Person

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
ANY_TOKEN_MAY = {"logout", "revokeToken"}
TAKES_ALL = {"revokeAllTokens", "createToken", "updateUser", "deleteUser", "changePassword"}
BATCHES = {"createBatch", "listBatches", "getBatch", "deleteBatch"}


def each(wanted: Callable[[Operation], Any]) -> pytest.MarkDecorator:
    chosen = [one for one in OPERATIONS if wanted(one)]
    assert chosen
    return pytest.mark.parametrize("operation", chosen, ids=[one.name for one in chosen])


def has_code(status: int, code: str) -> Callable[[Operation], bool]:
    def is_told(operation: Operation) -> bool:
        response = operation.told["responses"].get(str(status), {"content": {"application/json": {}}})
        return code in response["content"]["application/json"].get("examples", {})

    return is_told


def needed(operation: Operation) -> list[str]:
    """The abilities that the contract has for it, whatever the description says."""
    if operation.name in ANY_TOKEN_MAY:
        return []
    if operation.name in TAKES_ALL:
        return list(ABILITIES)
    if operation.path.startswith(("/api/images", "/api/batches")):
        return [{"GET": "images:read", "POST": "images:write", "DELETE": "images:delete"}[operation.method]]
    return {"GET": ["user:read"]}[operation.method]


def assert_refused(answer: httpx2.Response, operation: Operation, status: int, code: str) -> None:
    """With what the description says."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    example = operation.example_of(status, code)
    assert list(answer.json()) == list(example)
    if code != "missing_ability":  # it names the ability
        assert answer.json()["message"] == example["message"]


async def ask(
    client: httpx2.AsyncClient, operation: Operation, token: str = "", **ids: object
) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return await client.request(operation.method, operation.at(**ids), headers=headers)


async def a_token(stack: Stack, person: Person, abilities: list[str]) -> tuple[int, str]:
    """Another token of this person: its id and its text."""
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


async def new_things(stack: Stack, owner: Person) -> dict[str, int]:
    """An id of each kind, by the name of the parameter."""
    async with client_of(stack, owner.token) as client:
        image_id = await accepted(client, SMALL)
        batch = await a_batch(client, SMALL)
    token_id, _ = await a_token(stack, owner, ["user:read"])
    return {"image_id": image_id, "batch_id": batch.json()["data"]["id"], "token_id": token_id}


@pytest.fixture(scope="session")
async def things(stack: Stack, owner: Person) -> dict[str, int]:
    return await new_things(stack, owner)


@each(lambda one: one.needs_token)
async def test_without_a_token_nothing_is_done(anyone: httpx2.AsyncClient, operation: Operation) -> None:
    answer = await ask(anyone, operation)

    assert_refused(answer, operation, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "sent", ["Bearer", "Bearer nonsense", "Bearer 1|abc", "Basic eDp5", "Bearer 0|" + "a" * 48]
)
@each(lambda one: one.told["security"])
async def test_what_is_no_token_opens_nothing(
    anyone: httpx2.AsyncClient, operation: Operation, sent: str
) -> None:
    answer = await anyone.request(operation.method, operation.at(), headers={"Authorization": sent})

    assert_refused(answer, operation, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@each(lambda one: one.id_name)
async def test_what_is_another_users_is_not_found(
    anyone: httpx2.AsyncClient,
    owner: Person,
    stranger: Person,
    things: dict[str, int],
    operation: Operation,
) -> None:
    answer = await ask(anyone, operation, stranger.token, **things)

    assert_refused(answer, operation, 404, f"{operation.id_name.removesuffix('_id')}_not_found")
    tokens = (await ask(anyone, by_name("listTokens"), owner.token)).json()["data"]["tokens"]
    assert things["token_id"] in [token["id"] for token in tokens]
    assert (await ask(anyone, by_name("getImage"), owner.token, **things)).status_code == 200
    batch = await ask(anyone, by_name("getBatch"), owner.token, **things)
    assert batch.json()["data"]["status"] != "cancelled"


@each(lambda one: one.id_name)
async def test_what_is_deleted_is_not_found(
    stack: Stack, anyone: httpx2.AsyncClient, owner: Person, operation: Operation
) -> None:
    things = await new_things(stack, owner)
    deletion = next(one for one in OPERATIONS if one.id_name == operation.id_name and one.method == "DELETE")
    for _ in range(2 if operation.id_name == "batch_id" else 1):  # the first may only cancel a batch
        await ask(anyone, deletion, owner.token, **things)

    answer = await ask(anyone, operation, owner.token, **things)

    assert_refused(answer, operation, 404, f"{operation.id_name.removesuffix('_id')}_not_found")


@pytest.mark.parametrize(
    "written", ["abc", "0", "-1", "1.0", "01", "%2B1", "1e3", "null", str(2**63), "9" * 400]
)
@each(lambda one: one.id_name)
async def test_what_is_no_id_is_not_found(
    anyone: httpx2.AsyncClient, owner: Person, operation: Operation, written: str
) -> None:
    answer = await ask(anyone, operation, owner.token, **{operation.id_name: written})

    assert_refused(answer, operation, 404, f"{operation.id_name.removesuffix('_id')}_not_found")


@each(lambda one: one.told["security"])
async def test_an_unverified_user_may_do_what_leads_to_being_verified(
    anyone: httpx2.AsyncClient, people: People, operation: Operation
) -> None:
    person = await people.new("enterprise", verified=False)

    answer = await ask(anyone, operation, person.token)

    if operation.name in UNVERIFIED_MAY:
        assert answer.status_code not in (401, 403), answer.text
    else:
        assert_refused(answer, operation, 403, "email_unverified")


@each(lambda one: one.needs_token)
async def test_the_description_tells_the_abilities_of_the_contract(operation: Operation) -> None:
    assert sorted(operation.abilities) == sorted(needed(operation))


@each(lambda one: one.abilities)
async def test_a_token_without_the_ability_is_refused(
    stack: Stack, anyone: httpx2.AsyncClient, owner: Person, operation: Operation
) -> None:
    for lacking in needed(operation):
        _, token = await a_token(stack, owner, [one for one in ABILITIES if one != lacking])

        answer = await ask(anyone, operation, token)

        assert_refused(answer, operation, 403, "missing_ability")
        assert answer.json()["message"] == f"The token lacks the ability {lacking}."


@each(lambda one: one.needs_token)
async def test_a_token_needs_no_more_than_the_ability(
    stack: Stack, anyone: httpx2.AsyncClient, people: People, operation: Operation
) -> None:
    person = await people.new("enterprise")
    token_id, token = await a_token(stack, person, needed(operation) or ["images:read"])

    answer = await ask(anyone, operation, token, token_id=token_id)

    assert answer.status_code not in (401, 403), answer.text


async def test_a_token_that_may_not_do_everything_ends_no_other(
    stack: Stack, anyone: httpx2.AsyncClient, owner: Person, things: dict[str, int]
) -> None:
    _, token = await a_token(stack, owner, list(ABILITIES[1:]))
    operation = by_name("revokeToken")

    answer = await ask(anyone, operation, token, **things)

    assert_refused(answer, operation, 403, "missing_ability")


@each(lambda one: has_code(403, "no_api_access")(one) or has_code(403, "plan_feature_missing")(one))
async def test_the_free_plan_makes_no_images_and_has_no_batches(
    anyone: httpx2.AsyncClient, people: People, operation: Operation
) -> None:
    person = await people.new()

    answer = await ask(anyone, operation, person.token)

    makes_images = has_code(403, "no_api_access")(operation)
    assert_refused(answer, operation, 403, "no_api_access" if makes_images else "plan_feature_missing")


@each(has_code(403, "plan_feature_missing"))
async def test_a_plan_without_batches_has_none(
    anyone: httpx2.AsyncClient, people: People, operation: Operation
) -> None:
    person = await people.new("starter")

    answer = await ask(anyone, operation, person.token)

    assert_refused(answer, operation, 403, "plan_feature_missing")


async def test_all_four_of_the_batches_take_the_plans_feature() -> None:
    take_it = {one.name for one in OPERATIONS if has_code(403, "plan_feature_missing")(one)}

    assert take_it == BATCHES


@pytest.mark.parametrize("path", DOCUMENT["paths"])
async def test_a_method_that_a_path_has_not_is_refused_with_those_it_has(
    anyone: httpx2.AsyncClient, owner: Person, path: str
) -> None:
    address = next(one for one in OPERATIONS if one.path == path).at()
    there = methods_at(address)

    for method in (*METHODS, "PROPFIND"):
        if method not in there:
            answer = await anyone.request(method, address, headers={"Authorization": f"Bearer {owner.token}"})

            assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
            assert answer.headers["allow"] == ", ".join(there)


def methods_at(address: str) -> list[str]:
    """Of all paths that match: `upscale` stands where an id may."""
    found = {one.method for one in OPERATIONS if re.fullmatch(re.sub(r"{\w+}", "[^/]+", one.path), address)}
    return sorted(found | ({"HEAD"} if "GET" in found else set()))


def by_name(name: str) -> Operation:
    return next(one for one in OPERATIONS if one.name == name)
