"""Certificates for gRPC between services: mutual TLS.

Certificates are read once. When a file changes, the process drains and exits, and is started again from
outside.
"""

import asyncio
import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path

import grpc

from common import log

LOG = log.get(__name__)
CHECK_SECONDS = 30.0
"""Mean time between two checks of the files. Each wait is random, so that replicas do not exit together."""


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: the certificate chain and key of this service, and the authority that signs all services."""

    certificate: Path
    key: Path
    authority: Path

    def server_credentials(self) -> grpc.ServerCredentials:
        """Return credentials that refuse clients without a certificate of the authority."""
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        return grpc.ssl_server_credentials([pair], self.authority.read_bytes(), require_client_auth=True)

    def client_credentials(self) -> grpc.ChannelCredentials:
        """Return credentials that require a server certificate for the name of the target."""
        return grpc.ssl_channel_credentials(
            self.authority.read_bytes(), self.key.read_bytes(), self.certificate.read_bytes()
        )

    def _contents(self) -> list[bytes]:
        return [path.read_bytes() for path in (self.certificate, self.key, self.authority)]

    def _is_unchanged(self, first: list[bytes]) -> bool:
        """Return whether no file has changed. A missing file is being replaced and counts as unchanged."""
        try:
            return self._contents() == first
        except OSError:
            return True

    async def end_when_renewed(self, check_seconds: float = CHECK_SECONDS) -> None:
        """Send this process SIGTERM when one of the files has changed."""
        first = await asyncio.to_thread(self._contents)
        while await asyncio.to_thread(self._is_unchanged, first):  # noqa: ASYNC110  files are polled
            await asyncio.sleep(check_seconds * random.uniform(0.5, 1.5))  # noqa: S311  not a secret
        LOG.info(
            "certificate file changed",
            certificate=str(self.certificate),
            action="draining, then exiting, so that the next start reads it",
        )
        os.kill(os.getpid(), signal.SIGTERM)


async def end_when_renewed(tls: Tls | None) -> None:
    """Watch the files until one changes, then send this process SIGTERM. Return at once without TLS."""
    if tls:
        await tls.end_when_renewed()
