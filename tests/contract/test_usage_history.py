"""`GET /api/usage/history` through the API: the caller's images by day and by month, as JSON and CSV."""

import csv
import io
from datetime import UTC, datetime

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of, upscale, wait_for_status
from tests.contract.api_client import SMALL, invalid_fields
from tests.gateway.harness import People

KEYS = ["start", "accepted", "completed", "returned", "used"]


async def test_the_history_agrees_with_this_months_usage(stack: Stack, people: People) -> None:
    person = await people.new("starter")

    async with client_of(stack, person.token) as client:
        image_id = (await upscale(client, SMALL)).json()["data"]["id"]
        await wait_for_status(client, image_id, "completed")
        answers = {by: await client.get("/api/usage/history", params={"by": by}) for by in ("day", "month")}
        used = (await client.get("/api/usage")).json()["data"]["image_uploads"]["used"]

    today = datetime.now(UTC).date()
    for by, answer in answers.items():
        body = answer.json()
        assert body["message"] == "Usage history retrieved successfully"
        assert body["data"]["by"] == by
        last = body["data"]["entries"][-1]
        assert list(last) == KEYS
        assert last["accepted"] == last["used"] == used == 1
    assert answers["month"].json()["data"]["entries"][-1]["start"] == today.replace(day=1).isoformat()


async def test_another_users_images_are_not_in_it(stack: Stack, people: People) -> None:
    busy, other = await people.new("starter"), await people.new("starter")

    async with client_of(stack, busy.token) as client:
        await upscale(client, SMALL)
    async with client_of(stack, other.token) as client:
        entries = (await client.get("/api/usage/history")).json()["data"]["entries"]

    assert {entry["accepted"] for entry in entries} == {0}


async def test_the_csv_has_the_same_entries(jane: httpx2.AsyncClient) -> None:
    query = {"by": "month", "from": "2026-01-15", "to": "2026-03-01"}

    as_json = (await jane.get("/api/usage/history", params=query)).json()["data"]["entries"]
    answer = await jane.get("/api/usage/history", params={**query, "format": "csv"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="usage-by-month.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows == [{key: str(value) for key, value in entry.items()} for entry in as_json]
    assert [row["start"] for row in rows] == ["2026-01-01", "2026-02-01", "2026-03-01"]


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ({"by": "week"}, {"by": ["The by must be one of: day, month."]}),
        ({"format": "xml"}, {"format": ["The format must be one of: json, csv."]}),
        ({"from": "yesterday"}, {"from": ["The from must be a day such as 2026-02-01."]}),
        ({"from": "2026-02-02", "to": "2026-02-01"}, {"from": ["The from must not be after the to."]}),
        (
            {"from": "2026-01-01", "to": "2026-12-31"},
            {"from": ["The range may not be longer than 92 days."]},
        ),
    ],
)
async def test_a_wrong_query_is_refused(
    jane: httpx2.AsyncClient, query: dict[str, str], errors: dict[str, list[str]]
) -> None:
    answer = await jane.get("/api/usage/history", params=query)

    assert invalid_fields(answer) == errors
