"""Web pages may use signed links of the object store: read a range, and store a file."""

from datetime import timedelta

import httpx2
import pytest

from loupe_local.stores import Stores

BUCKET, KEY, PAGE = "loupe", "images/previews/cors", "https://loupe.example.com"


@pytest.fixture
async def page() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(headers={"Origin": PAGE}, trust_env=False)


async def test_a_page_reads_a_range_of_a_signed_link(stores: Stores, page: httpx2.AsyncClient) -> None:
    client = stores.s3.client("images")
    stored = await page.put(client.presigned_put_object(BUCKET, KEY), content=b"0123456789")

    link = client.presigned_get_object(BUCKET, KEY, expires=timedelta(minutes=1))
    answer = await page.get(link, headers={"Range": "bytes=2-4"})

    assert (stored.status_code, answer.status_code, answer.content) == (200, 206, b"234")
    for each in (stored, answer):
        assert each.headers["Access-Control-Allow-Origin"] in ("*", PAGE)
    client.remove_object(BUCKET, KEY)


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
async def test_a_page_may_ask_first(stores: Stores, page: httpx2.AsyncClient, method: str) -> None:
    headers = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "range"}

    answer = await page.options(f"http://{stores.s3.endpoint}/{BUCKET}/{KEY}", headers=headers)

    assert answer.status_code in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", PAGE)
    assert method in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"].lower() in ("*", "range")
