"""Every route enforces the access that it declares."""

import secrets

import httpx2
import pytest

from gateway import app
from gateway.identity.access import Access, access_by_route
from loupe.contract import ABILITIES
from loupe_local.ports import HOST
from loupe_local.stack import Stack
from tests.gateway.harness import Harness, People, Person, gateway_on, settings_of
from tests.gateway.test_callers import answers, soon

LIMITED = "UPDATE token SET abilities = %s WHERE user_id = %s"
WITHOUT_VERIFICATION = {
    ("POST", "/api/auth/logout"),
    ("POST", "/api/auth/revoke-all"),
    ("GET", "/api/user"),
    ("PATCH", "/api/user"),
    ("DELETE", "/api/user"),
    ("GET", "/api/admin/access"),
    ("PUT", "/api/user/password"),
    ("GET", "/api/user/tokens"),
    ("POST", "/api/user/tokens"),
    ("DELETE", "/api/user/tokens/{token_id}"),
}
ALL_ABILITIES = {
    ("POST", "/api/auth/revoke-all"),
    ("PATCH", "/api/user"),
    ("DELETE", "/api/user"),
    ("PUT", "/api/user/password"),
    ("POST", "/api/user/second-factor"),
    ("POST", "/api/user/second-factor/confirm"),
    ("POST", "/api/user/second-factor/recovery-codes"),
    ("DELETE", "/api/user/second-factor"),
    ("POST", "/api/user/tokens"),
    ("POST", "/api/webhooks"),
    ("PATCH", "/api/webhooks/{webhook_id}"),
    ("DELETE", "/api/webhooks/{webhook_id}"),
    ("POST", "/api/webhooks/{webhook_id}/test"),
    ("POST", "/api/webhooks/{webhook_id}/secret/rotate"),
    ("GET", "/api/webhooks/secret"),
    ("POST", "/api/webhooks/secret/rotate"),
    ("POST", "/api/webhooks/deliveries/{delivery_id}/replay"),
}


def table(gateway: Harness) -> dict[tuple[str, str], Access]:
    """Return the access of the API's routes. tests/gateway has the console's own in another file."""
    found = access_by_route(app.create(gateway.backend, gateway.readiness))
    return {route: access for route, access in found.items() if route[1].startswith("/api/")}


async def refusal_of(gateway: Harness, person: Person, method: str, path: str) -> str:
    """Return the code of a refusal, or an empty string. A success is not read, since it may be endless."""
    filled = path.format_map(_Ids(token_id=person.token.partition("|")[0] or "1"))
    async with (
        gateway.client(person.token) as client,
        client.stream(method, filled, content=b"x" if method != "GET" else b"") as answer,
    ):
        if answer.is_success:
            return ""
        await answer.aread()
        return str(answer.json()["code"])


class _Ids(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "999999"


async def test_each_route_needs_its_abilities_and_no_others(gateway: Harness, people: People) -> None:
    wrong: list[str] = []
    person = await people.new("enterprise")

    for (method, path), access in table(gateway).items():
        for ability in access.abilities:
            await people.execute_sql("auth", LIMITED, [one for one in ABILITIES if one != ability], person.id)
            if await refusal_of(gateway, person, method, path) != "missing_ability":
                wrong.append(f"{method} {path} without {ability}")
        await people.execute_sql("auth", LIMITED, list(access.abilities), person.id)
        refusal = await refusal_of(gateway, person, method, path)
        if refusal in ("missing_ability", "email_unverified"):
            wrong.append(f"{method} {path} with {access.abilities}")
        if not refusal and method != "GET":  # it may have ended the account or its token
            person = await people.new("enterprise")

    assert wrong == []


async def test_an_unverified_user_can_use_only_the_account(gateway: Harness, people: People) -> None:
    reached: set[tuple[str, str]] = set()
    person = await people.new(verified=False)

    for method, path in table(gateway):
        if await refusal_of(gateway, person, method, path) != "email_unverified":
            reached.add((method, path))
            person = await people.new(verified=False)

    assert reached == WITHOUT_VERIFICATION
    assert reached == {route for route, access in table(gateway).items() if not access.requires_verification}


async def test_changes_of_the_account_need_all_abilities(gateway: Harness) -> None:
    assert {route for route, access in table(gateway).items() if access.all_abilities} == ALL_ABILITIES


async def test_without_a_token_every_route_is_unauthenticated(gateway: Harness) -> None:
    stranger = Person(0, "", "")

    codes = {await refusal_of(gateway, stranger, method, path) for method, path in table(gateway)}

    assert codes == {"unauthenticated"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/api/user/tokens/{token_id}"), ("POST", "/api/auth/revoke-all"), ("DELETE", "/api/user")],
)
async def test_a_token_that_one_gateway_revokes_is_refused_at_all(
    stack: Stack, people: People, method: str, path: str
) -> None:
    """Without events, both gateways would accept the token for an hour."""
    person = await people.new("starter")
    patient = settings_of(stack, principal_seconds=3600.0)

    async with (
        gateway_on(patient) as here,
        gateway_on(patient) as there,
        here.client(person.token) as mine,
        there.client(person.token) as client,
    ):
        known = (await client.get("/api/user")).json()["data"]

        async def is_listening() -> bool:
            await mine.patch("/api/user", json={"name": secrets.token_hex(4)})
            return (await client.get("/api/user")).json()["data"]["name"] != known["name"]

        assert await soon(is_listening)

        refusal = await refusal_of(here, person, method, path)

        assert refusal == ""
        assert await soon(answers(client, "/api/user", 401))


async def test_a_gateway_without_events_accepts_a_revoked_token_only_for_principal_seconds(
    stack: Stack, people: People
) -> None:
    person = await people.new("starter")
    short, long = (
        settings_of(stack, principal_seconds=seconds, nats_url=f"nats://{HOST}:1")
        for seconds in (1.0, 3600.0)
    )

    async with (
        gateway_on(short, wait_for_services=False) as first,
        gateway_on(long, wait_for_services=False) as second,
        first.client(person.token) as short_lived,
        second.client(person.token) as long_lived,
    ):
        known = [await client.get("/api/user") for client in (short_lived, long_lived)]

        async with httpx2.AsyncClient(base_url=stack.api) as here:
            await here.post("/api/auth/logout", headers={"Authorization": f"Bearer {person.token}"})

        assert [answer.status_code for answer in known] == [200, 200]
        assert await soon(answers(short_lived, "/api/user", 401))
        assert (await long_lived.get("/api/user")).status_code == 200  # no event has reached it
