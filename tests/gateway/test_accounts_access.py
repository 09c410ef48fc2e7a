"""What every route asks of its caller is told by its declaration, and is what the route does."""

import secrets

import httpx2
import pytest

from gateway import app
from gateway.identity.access import ABILITIES, Access, access_of
from loupe_local.ports import HOST
from loupe_local.stack import Stack
from tests.gateway.gateway_rig import Gateway, People, Person, gateway_on, settings_of
from tests.gateway.test_callers import answers, soon

LIMITED = "UPDATE token SET abilities = %s WHERE user_id = %s"
WITHOUT_VERIFICATION = {
    ("POST", "/api/auth/logout"),
    ("POST", "/api/auth/revoke-all"),
    ("GET", "/api/user"),
    ("PATCH", "/api/user"),
    ("DELETE", "/api/user"),
    ("PUT", "/api/user/password"),
    ("GET", "/api/user/tokens"),
    ("POST", "/api/user/tokens"),
    ("DELETE", "/api/user/tokens/{token_id}"),
}
EVERYTHING = {
    ("POST", "/api/auth/revoke-all"),
    ("PATCH", "/api/user"),
    ("DELETE", "/api/user"),
    ("PUT", "/api/user/password"),
    ("POST", "/api/user/tokens"),
}


def table(gateway: Gateway) -> list[tuple[str, str, Access]]:
    return access_of(app.create(gateway.backend, gateway.readiness))


async def told(gateway: Gateway, person: Person, method: str, path: str) -> str:
    """The code of the refusal, if it is one. Some answers have no end: their body is not waited for."""
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


async def test_each_route_needs_its_abilities_and_no_others(gateway: Gateway, people: People) -> None:
    wrong: list[str] = []

    for method, path, access in table(gateway):
        person = await people.new("enterprise")
        for ability in access.abilities:
            await people.change("auth", LIMITED, [one for one in ABILITIES if one != ability], person.id)
            if await told(gateway, person, method, path) != "missing_ability":
                wrong.append(f"{method} {path} without {ability}")
        await people.change("auth", LIMITED, list(access.abilities), person.id)
        if await told(gateway, person, method, path) in ("missing_ability", "email_unverified"):
            wrong.append(f"{method} {path} with {access.abilities}")

    assert wrong == []


async def test_an_unverified_user_reaches_the_account_and_nothing_else(
    gateway: Gateway, people: People
) -> None:
    reached: set[tuple[str, str]] = set()

    for method, path, _ in table(gateway):
        person = await people.new(verified=False)
        if await told(gateway, person, method, path) != "email_unverified":
            reached.add((method, path))

    assert reached == WITHOUT_VERIFICATION
    assert reached == {(method, path) for method, path, access in table(gateway) if not access.verified}


async def test_what_changes_the_account_takes_everything(gateway: Gateway) -> None:
    assert {(method, path) for method, path, access in table(gateway) if access.everything} == EVERYTHING


async def test_without_a_token_every_route_is_unauthenticated(gateway: Gateway) -> None:
    stranger = Person(0, "", "")

    codes = {await told(gateway, stranger, method, path) for method, path, _ in table(gateway)}

    assert codes == {"unauthenticated"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/api/user/tokens/{token_id}"), ("POST", "/api/auth/revoke-all"), ("DELETE", "/api/user")],
)
async def test_what_is_ended_at_one_gateway_is_ended_at_all(
    stack: Stack, people: People, method: str, path: str
) -> None:
    """Both would believe the token for an hour."""
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

        refusal = await told(here, person, method, path)

        assert refusal == ""
        assert await soon(answers(client, "/api/user", 401))


async def test_a_gateway_that_hears_nothing_believes_for_its_seconds_and_no_longer(
    stack: Stack, people: People
) -> None:
    person = await people.new("starter")
    brief, patient = (
        settings_of(stack, principal_seconds=seconds, nats_url=f"nats://{HOST}:1")
        for seconds in (1.0, 3600.0)
    )

    async with (
        gateway_on(brief, alone=True) as first,
        gateway_on(patient, alone=True) as second,
        first.client(person.token) as soon_over,
        second.client(person.token) as long_since,
    ):
        known = [await client.get("/api/user") for client in (soon_over, long_since)]

        async with httpx2.AsyncClient(base_url=stack.api) as here:
            await here.post("/api/auth/logout", headers={"Authorization": f"Bearer {person.token}"})

        assert [answer.status_code for answer in known] == [200, 200]
        assert await soon(answers(soon_over, "/api/user", 401))
        assert (await long_since.get("/api/user")).status_code == 200  # so it was the age that ended it
