"""The settings of accounts hold at the REST door. The tests share an auth with settings of its own."""

from collections.abc import AsyncGenerator

import pytest

from common import db
from loupe_local.stack import Stack
from tests.auth.harness import CLIENTS, running
from tests.gateway.harness import Harness, People, gateway_on, settings_of
from tests.gateway.test_takeover import new_email, robbed


@pytest.fixture(scope="module")
async def lenient(stack: Stack) -> AsyncGenerator[Harness]:
    """A gateway before an auth that asks for no recent login and takes common passwords."""
    engine = db.engine(stack.stores.database_url("auth"))
    secret = stack.services.environment("auth")["AUTH_SECRET"]
    async with running(
        db.sessions(engine),
        key_secrets=(secret,),
        reauthentication_minutes=0,
        refuse_common_passwords=False,
        token_days=30,
    ) as auth:
        client_secret = CLIENTS["gateway"].get_secret_value()
        settings = settings_of(stack, auth_target=f"127.0.0.1:{auth.port}", client_secret=client_secret)
        async with gateway_on(settings) as running_gateway:
            yield running_gateway
    await engine.dispose()


async def test_one_setting_ends_the_need_of_a_recent_login(lenient: Harness, people: People) -> None:
    person = await robbed(people)

    async with lenient.client(person.token) as client:
        changed = await client.patch("/api/user", json={"email": new_email()})
        deleted = await client.delete("/api/user")

    assert (changed.status_code, deleted.status_code) == (200, 200)


async def test_settings_admit_common_passwords_and_let_tokens_expire(lenient: Harness) -> None:
    password = {"password": "Password1", "password_confirmation": "Password1"}

    async with lenient.client() as client:
        body = {"name": "Jane", "email": new_email(), **password}
        registered = await client.post("/api/auth/register", json=body)
        client.headers["Authorization"] = f"Bearer {registered.json()['data']['token']}"
        [token] = (await client.get("/api/user/tokens")).json()["data"]["tokens"]

    assert registered.status_code == 201
    assert token["expires_at"] > token["created_at"]
