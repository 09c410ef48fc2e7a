"""`GET /api/audit` through the API, with what all services publish for it."""

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of, upscale
from tests.contract.api_client import SMALL, invalid_fields
from tests.contract.audit_shapes import ENTRY
from tests.contract.shapes import a_page_of, check
from tests.gateway.harness import PASSWORD, People
from tests.gateway.loupe_admin import result_lines, result_of
from tests.polling import until


async def entries(client: httpx2.AsyncClient, **query: str) -> list[dict[str, object]]:
    answer = await client.get("/api/audit", params={"per_page": "100"} | query)
    check(answer.json(), a_page_of(ENTRY))
    return answer.json()["data"]


async def test_acts_of_the_user_and_of_operators_in_all_services_are_listed(
    stack: Stack, people: People
) -> None:
    person = await people.new("professional")
    expected = {"account.created", "address.verified", "plan.changed", "quota.changed", "image.deleted"}
    expected |= {"webhook.created", "webhook.deleted", "token.created", "sign_in.refused", "sign_in.admitted"}
    login = {"email": person.email, "password": PASSWORD}

    async with client_of(stack, person.token) as client:
        image_id = (await upscale(client, SMALL)).json()["data"]["id"]
        await client.delete(f"/api/images/{image_id}")
        made = await client.post("/api/webhooks", json={"url": "http://127.0.0.1:9/"})
        await client.delete(f"/api/webhooks/{made.json()['data']['webhook']['id']}")
        await client.post("/api/user/tokens", json={"name": "Narrow", "abilities": ["user:read"]})
        await client.post("/api/auth/login", json=login | {"password": "Wrong1horse"})
        await client.post("/api/auth/login", json=login, headers={b"User-Agent": b"caf\xc3\xa9"})
        await result_of(stack, "quota", "set", person.email, "7")

        async def are_listed() -> bool:
            return expected <= {str(entry["event"]) for entry in await entries(client)}

        await until(are_listed)
        found = {str(entry["event"]): entry for entry in reversed(await entries(client))}

    assert found["sign_in.admitted"]["user_agent"] == "caf??"
    assert found["sign_in.admitted"]["client_address"] == "127.0.0.1"
    assert found["image.deleted"]["details"] == {"image_id": str(image_id)}
    assert (found["quota.changed"]["actor"], found["image.deleted"]["actor"]) == ("operator", "user")
    assert found["quota.changed"]["client_address"] is None
    assert person.token not in str(found)
    assert PASSWORD not in str(found)


async def test_pages_link_with_their_filters(stack: Stack, people: People) -> None:
    person = await people.new()

    async with client_of(stack, person.token) as client:
        query = {"event": "account.created", "from": "2020-01-01", "per_page": "1"}

        async def is_listed() -> bool:
            return bool((await client.get("/api/audit", params=query)).json()["data"])

        await until(is_listed)
        answer = (await client.get("/api/audit", params=query)).json()

    assert [entry["event"] for entry in answer["data"]] == ["account.created"]
    assert answer["links"]["first"].endswith("?page=1&per_page=1&event=account.created&from=2020-01-01")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"event": "no.such"}, "event"),
        ({"from": "soon"}, "from"),
        ({"from": "2026-W05-1"}, "from"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "from"),
        ({"from": "2026-02-02T00:00:00Z", "to": "2026-02-01"}, "from"),
        ({"to": "2026-02-30"}, "to"),
    ],
)
async def test_a_wrong_filter_is_refused(jane: httpx2.AsyncClient, query: dict[str, str], field: str) -> None:
    answer = await jane.get("/api/audit", params=query)

    assert list(invalid_fields(answer)) == [field]


async def test_operators_list_and_export_what_happened_to_a_user(stack: Stack, people: People) -> None:
    person = await people.new("starter")

    async def is_stored() -> bool:
        listed = await result_of(stack, "audit", "list", "--user", person.email, "--event", "plan.changed")
        return bool(listed["entries"])

    await until(is_stored)
    exported = await result_lines(stack, "audit", "export", "--user", person.email, "--since", "1h")

    assert exported[0]["event"] == "account.created"
    [plan] = [line for line in exported if line["event"] == "plan.changed"]
    assert (plan["actor"], plan["operator_id"], plan["details"]["plan"]) == ("operator", None, "starter")
