"""Finds the addresses of a host, once, and checks all of them.

Names are looked up as absolute ones by `dnspython`: the system's resolver would also try the search domains
of the cluster, and each lookup that is not answered would occupy one of its few threads.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from functools import cached_property

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from outbound.guard.addresses import Address
from outbound.guard.policy import Policy
from outbound.guard.refused import Reason, Refused
from outbound.guard.urls import LOOPBACK_ADDRESSES, CheckedUrl, address_refused, is_localhost

LOOKUP_SECONDS = 5.0
MOST_ADDRESSES = 64
"""A name with more addresses is refused, because all of them have to be checked."""


class Names:
    """Looks up host names, by default at the system's nameservers. Another one is `127.0.0.1#5353`."""

    def __init__(self, nameservers: Sequence[str] = (), lookup_seconds: float = LOOKUP_SECONDS) -> None:
        self._nameservers = [_to_nameserver(each) for each in nameservers]
        self._lookup_seconds = lookup_seconds

    async def resolve(self, url: CheckedUrl, policy: Policy) -> tuple[Address, ...]:
        """Return the addresses of the URL's host, at least one. Raise `Refused` unless all are allowed."""
        if address := url.address:
            found: Sequence[Address] = (address,)
        elif is_localhost(url.host):
            found = LOOPBACK_ADDRESSES
        elif policy.names(url.origin):
            found = await self._ask_system(url)
        else:
            found = await self._ask_dns(url.host)
        if len(found) > MOST_ADDRESSES or not all(policy.allows(url.origin, address) for address in found):
            raise address_refused()
        return tuple(found)

    async def _ask_dns(self, host: str) -> list[Address]:
        """Return the addresses of both kinds. Some servers answer questions for one kind alone."""
        kinds = (self._records(host, kind) for kind in ("AAAA", "A"))
        answers = await asyncio.gather(*kinds, return_exceptions=True)
        found = [address for answer in answers if isinstance(answer, list) for address in answer]
        if not found:
            raise next((answer for answer in answers if isinstance(answer, BaseException)), _name_not_found())
        return found

    async def _records(self, host: str, kind: str) -> list[Address]:
        try:
            answer = await self._resolver.resolve(
                dns.name.from_text(f"{host}."),
                kind,
                raise_on_no_answer=False,
                search=False,
                lifetime=self._lookup_seconds,
            )
        except dns.resolver.NXDOMAIN as error:
            raise _name_not_found() from error
        except (dns.exception.DNSException, OSError) as error:
            raise _lookup_failed() from error
        return [ipaddress.ip_address(record.address) for record in answer.rrset or ()]

    @cached_property
    def _resolver(self) -> dns.asyncresolver.Resolver:
        resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
        if self._nameservers:
            resolver.nameservers = self._nameservers
        return resolver

    async def _ask_system(self, url: CheckedUrl) -> list[Address]:
        """Return the addresses of a host that the operator named, perhaps in the hosts file."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._lookup_seconds):
                found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise _name_not_found() from error
        except (TimeoutError, OSError) as error:
            raise _lookup_failed() from error
        return [ipaddress.ip_address(str(address[0])) for *_, address in found]


def _to_nameserver(text: str) -> dns.nameserver.Nameserver:
    address, _, port = text.partition("#")
    return dns.nameserver.Do53Nameserver(str(ipaddress.ip_address(address)), int(port or 53))


def _name_not_found() -> Refused:
    return Refused(Reason.NAME_NOT_FOUND, "The host of the {field} does not exist.")


def _lookup_failed() -> Refused:
    return Refused(Reason.LOOKUP_FAILED, "The host of the {field} could not be looked up.")
