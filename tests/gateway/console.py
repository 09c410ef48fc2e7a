"""The console's side of the protocol: a client that keeps a cookie, as a browser does."""

import contextlib
from collections.abc import AsyncGenerator

import httpx2

from tests.gateway.harness import PASSWORD, Harness, Person


class Browser(httpx2.AsyncClient):
    """Sends the cookie, the page's origin and the console's header with every request."""

    def __init__(self, url: str) -> None:
        headers = {"Origin": url, "X-Loupe-Console": "1"}
        super().__init__(base_url=url, headers=headers, timeout=20)

    async def sign_in(self, person: Person, password: str = PASSWORD) -> httpx2.Response:
        return await self.post("/console/session", json={"email": person.email, "password": password})

    async def is_signed_in(self) -> bool:
        return (await self.get("/api/user")).status_code == 200


@contextlib.asynccontextmanager
async def signed_in(gateway: Harness, person: Person) -> AsyncGenerator[Browser]:
    async with Browser(gateway.url) as browser:
        answer = await browser.sign_in(person)
        assert answer.status_code == 200, answer.text
        yield browser
