"""A person in a browser. Everything that a page must not do is noted: errors, violations, foreign hosts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import ConsoleMessage, Page, Request

from tests.gateway.harness import PASSWORD, Person

STATUS_LINE = "Failed to load resource: the server responded with a status of"
"""Chromium logs each refusal of the API. Tests of refusals cause them on purpose."""
MILLISECONDS = 60_000.0
SEND = re.compile(r"^Upscale \d+ pictures?$")


@dataclass
class Visitor:
    page: Page
    url: str
    """The address of the gateway."""
    origins: frozenset[str]
    """The origins from which pages may load: the gateway and the object store."""
    faults: list[str] = field(default_factory=list[str])
    may_be_refused: bool = False
    may_be_offline: bool = False

    def watch(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        is_expected = (self.may_be_refused and message.text.startswith(STATUS_LINE)) or (
            self.may_be_offline and "net::ERR_" in message.text
        )
        if message.type in ("error", "warning") and not is_expected:
            self.faults.append(f"{message.type}: {message.text}")

    def _on_request(self, request: Request) -> None:
        origin = "/".join(request.url.split("/")[:3])
        if not request.url.startswith(("blob:", "data:")) and origin not in self.origins:
            self.faults.append(f"request to {request.url}")

    async def open(self, path: str = "") -> None:
        await self.page.goto(f"{self.url}/console{path}")

    async def sign_in(self, person: Person, password: str = PASSWORD) -> None:
        await self.page.get_by_label("Email address").fill(person.email)
        await self.page.get_by_label("Password", exact=True).fill(password)
        await self.page.get_by_role("button", name="Sign in").click()

    async def enter(self, person: Person) -> None:
        """Open the console and sign in."""
        await self.open()
        await self.sign_in(person)
        await self.page.get_by_role("heading", name="Make pictures larger").wait_for(timeout=MILLISECONDS)

    async def choose(self, *files: Path, sends: bool = True) -> None:
        """Choose files in the dialog, and send them unless told otherwise."""
        await self.page.locator("[data-files]").set_input_files(list(files))
        if sends:
            await self.send()

    async def send(self) -> None:
        await self.page.get_by_role("button", name=SEND).click()

    async def until_done(self, names: Iterable[str]) -> None:
        """Wait until each of these pictures can be compared."""
        for name in names:
            await self.page.get_by_role("link", name=f"Compare {name}").wait_for(timeout=MILLISECONDS)

    async def sees(self, text: str) -> None:
        await self.page.get_by_text(text).first.wait_for(timeout=MILLISECONDS)
