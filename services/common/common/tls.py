"""Certificates for gRPC between services: each side shows one and checks the other's (mutual TLS).

They are read once. When one is renewed the process drains and ends, and whoever supervises starts it anew.
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
LOOK_SECONDS = 30.0
"""Replicas see a renewed file within a minute or so of each other; each waits for a while of its own."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM: this side's chain and key, and the authority that signs all sides."""

    certificate: Path
    key: Path
    authority: Path

    def of_server(self) -> grpc.ServerCredentials:
        """Clients without a certificate of the authority are refused."""
        pair = (self.key.read_bytes(), self.certificate.read_bytes())
        return grpc.ssl_server_credentials([pair], self.authority.read_bytes(), require_client_auth=True)

    def of_client(self) -> grpc.ChannelCredentials:
        """The server's name must be that of the target."""
        return grpc.ssl_channel_credentials(
            self.authority.read_bytes(), self.key.read_bytes(), self.certificate.read_bytes()
        )

    def _state(self) -> list[bytes]:
        return [path.read_bytes() for path in (self.certificate, self.key, self.authority)]

    def _is_still(self, first: list[bytes]) -> bool:
        """Also while a file is not there: whoever writes it anew is not done."""
        try:
            return self._state() == first
        except OSError:
            return True

    async def end_when_renewed(self, look_seconds: float = LOOK_SECONDS) -> None:
        first = await asyncio.to_thread(self._state)
        while await asyncio.to_thread(self._is_still, first):  # noqa: ASYNC110  the file system tells nobody
            await asyncio.sleep(look_seconds * random.uniform(0.5, 1.5))  # noqa: S311  no secret
        LOG.info("certificate renewed", certificate=str(self.certificate))
        os.kill(os.getpid(), signal.SIGTERM)


async def end_when_renewed(tls: Tls | None) -> None:
    """For as long as the process runs; nothing where there is no certificate."""
    if tls:
        await tls.end_when_renewed()
