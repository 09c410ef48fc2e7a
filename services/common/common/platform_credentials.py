"""Credentials for S3 that the platform gives a pod, by a role (IRSA, EKS Pod Identity).

The platform says by environment variables where they come from (`AWS_WEB_IDENTITY_TOKEN_FILE`,
`AWS_CONTAINER_CREDENTIALS_FULL_URI`). `minio` fetches them.
"""

import threading
import time

import urllib3
from minio.credentials.credentials import Credentials
from minio.credentials.providers import IamAwsProvider, Provider

from common import log

LOG = log.get(__name__)
RENEW_SECONDS = 900.0
"""Credentials end after an hour or more, and with them the links that they signed: they are renewed early."""
SECONDS = 10.0


class PlatformCredentials(Provider):
    """Fetches credentials, and fetches them again before they end. Threads may share it."""

    def __init__(self, renew_seconds: float = RENEW_SECONDS) -> None:
        self._renew_seconds = renew_seconds
        self._lock = threading.Lock()
        self._known: Credentials | None = None
        self._fetched_at = 0.0

    def retrieve(self) -> Credentials:
        """Return valid credentials. Raise urllib3's `HTTPError` if the platform gives none."""
        with self._lock:
            if self._known is None or time.monotonic() - self._fetched_at > self._renew_seconds:
                self._known, self._fetched_at = self._renewed(), time.monotonic()
            return self._known

    def _renewed(self) -> Credentials:
        client = urllib3.PoolManager(timeout=SECONDS, retries=urllib3.Retry(total=2, backoff_factor=0.1))
        try:
            return IamAwsProvider(http_client=client).retrieve()
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            if self._known is None or self._known.is_expired():
                message = f"the platform gives no credentials for S3: {error}"
                raise urllib3.exceptions.HTTPError(message) from error
            LOG.warning("the platform gave no new credentials", error=str(error), action="old ones are used")
            return self._known
