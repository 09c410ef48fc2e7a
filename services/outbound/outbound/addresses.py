"""Checks the address of a webhook before anything is stored."""

from collections.abc import Mapping, Sequence

from common import errors
from outbound.domain.webhooks import Address
from outbound.guard.names import Names
from outbound.guard.policy import Policy
from outbound.guard.refused import Reason, Refused
from outbound.guard.urls import check_url

NO_ADDRESS = Address("", "")


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
        if is_needed:
            try:
                address = await self._resolve(url)
            except Refused as error:
                found[field] = [error.text(field)]
        if found:
            raise errors.invalid(found)
        return address

    async def _resolve(self, url: str) -> Address:
        checked = check_url(url, self._policy)
        if not self._policy.proxy:
            try:
                await self._names.resolve(checked, self._policy)
            except Refused as error:
                if error.reason != Reason.LOOKUP_FAILED:
                    raise
        return Address(str(checked), checked.host)
