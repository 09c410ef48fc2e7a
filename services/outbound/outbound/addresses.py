"""Checks addresses before anything is stored: those of webhooks, and links to files."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

from common import errors
from outbound.domain.webhooks import Address
from outbound.guard.names import Names
from outbound.guard.policy import Origin, Policy
from outbound.guard.refused import Reason, Refused
from outbound.guard.urls import CheckedUrl, check_url

NO_ADDRESS = Address("", "")
MOST_LOOKUPS, LOOKUPS_AT_ONCE, LOOKUP_SECONDS = 100, 16, 3.0
"""The most hosts of a list of links that are looked up, and the time for it. A fetch looks up the others."""


class Addresses:
    """Checks addresses under the operator's policy."""

    def __init__(self, policy: Policy, names: Names | None = None) -> None:
        self._policy = policy
        self._names = names or Names()

    async def check(
        self,
        url: str,
        problems: Mapping[str, Sequence[str]] = {},
        *,
        field: str = "url",
        is_needed: bool = True,
    ) -> Address:
        """Return the address, in its normal form. Raise `InvalidArgument` with every field at fault.

        Its name is looked up too, so that users hear at once of a mistyped one. A server for names that does
        not answer is no fault of theirs: deliveries look again.
        """
        found, address = dict(problems), NO_ADDRESS
        if is_needed and not url:
            found.setdefault(field, [f"The {field.replace('_', ' ')} field is required."])
        elif is_needed:
            try:
                address = await self._resolve(url)
            except Refused as error:
                found[field] = [error.text(field)]
        if found:
            raise errors.invalid(found)
        return address

    async def problems_of(self, urls: Sequence[str], field: str) -> list[str]:
        """Return for each link why it is refused, or an empty text. Each host is looked up once."""
        checked: list[CheckedUrl | Refused] = []
        for url in urls:
            try:
                checked.append(check_url(url, self._policy))
            except Refused as error:
                checked.append(error)
        hosts = {each.origin: each for each in checked if isinstance(each, CheckedUrl)}
        refused = await self._refused_hosts(list(hosts.values())[:MOST_LOOKUPS])
        found = (each if isinstance(each, Refused) else refused.get(each.origin) for each in checked)
        return [error.text(field) if error else "" for error in found]

    async def _refused_hosts(self, urls: Sequence[CheckedUrl]) -> dict[Origin, Refused]:
        """Look up the hosts of these links, and return those that are refused."""
        refused, at_once = dict[Origin, Refused](), asyncio.Semaphore(LOOKUPS_AT_ONCE)

        async def look_up(url: CheckedUrl) -> None:
            async with at_once:
                try:
                    await self._look_up(url)
                except Refused as error:
                    refused[url.origin] = error

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOKUP_SECONDS), asyncio.TaskGroup() as group:
                for url in urls:
                    group.create_task(look_up(url))
        return refused

    async def _resolve(self, url: str) -> Address:
        checked = check_url(url, self._policy)
        await self._look_up(checked)
        return Address(str(checked), checked.host)

    async def _look_up(self, url: CheckedUrl) -> None:
        """Raise `Refused` unless the name's addresses are allowed, or nobody can say now what they are."""
        if self._policy.proxy:
            return
        try:
            await self._names.resolve(url, self._policy)
        except Refused as error:
            if error.reason != Reason.LOOKUP_FAILED:
                raise
