"""The audit of the whole installation, which operators read."""

import pytest

from loupe_local.stack import Stack
from tests.gateway.console import Browser
from tests.gateway.harness import People, Person
from tests.gateway.loupe_admin import until_audited


async def test_the_audit_tells_operators_who_did_what_to_whom(
    stack: Stack, console: Browser, people: People, operator: Person
) -> None:
    person = await people.new()
    await console.put(f"/api/admin/users/{person.id}/plan", json={"plan": "starter"})
    await until_audited(stack, person, "plan.changed", operator)
    of_person = {"user_id": person.id, "event": "plan.changed"}

    found = (await console.get("/api/admin/audit", params=of_person)).json()
    earlier = (
        await console.get("/api/admin/audit", params=of_person | {"to": "2020-01-01T00:00:00Z"})
    ).json()
    newest = (await console.get("/api/admin/audit", params={"per_page": 1})).json()

    [entry] = found["data"]
    assert (entry["user_email"], entry["operator_email"]) == (person.email, operator.email)
    assert (entry["actor"], entry["details"]["plan"]) == ("operator", "starter")
    assert (found["meta"]["total"], earlier["meta"]["total"], len(newest["data"])) == (1, 0, 1)


@pytest.mark.parametrize(
    ("field", "query"),
    [
        ("event", {"event": "no.such"}),
        ("from", {"from": "soon"}),
        ("to", {"to": "2020"}),
        ("from", {"from": "2030-01-02T00:00:00Z", "to": "2030-01-01T00:00:00Z"}),
    ],
)
async def test_a_wrong_filter_of_the_audit_names_its_field(
    console: Browser, field: str, query: dict[str, str]
) -> None:
    answer = await console.get("/api/admin/audit", params=query)

    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
