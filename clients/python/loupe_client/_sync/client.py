# Generated from _async/client.py by `make client`. Do not edit.
"""The client: one object for one server and one user."""

from collections.abc import Callable
from types import TracebackType
from typing import Any

import httpx2
from typing_extensions import Self, Unpack

from loupe_client._sync.account import Account, Tokens
from loupe_client._sync.batches import Batches
from loupe_client._sync.events import Events
from loupe_client._sync.images import Images, Upscaled
from loupe_client._sync.transport import Transport
from loupe_client._sync.webhooks import Webhooks
from loupe_client.answers import parse
from loupe_client.models import Image, OfferedPlan, ServedModel
from loupe_client.options import Options
from loupe_client.servers import Server, find_server
from loupe_client.sources import Source

RETRIES = 5
LONGEST_PAUSE_SECONDS = 60.0


class Loupe:
    """An synchronous client of Loupe."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        retries: int = RETRIES,
        longest_pause_seconds: float = LONGEST_PAUSE_SECONDS,
        http: httpx2.Client | None = None,
    ) -> None:
        """Connect to a server. Nothing is sent before the first call.

        Without `url` and `token` they are taken from `LOUPE_URL` and `LOUPE_TOKEN`, from the profile that
        `loupe login` writes, or from a Loupe that `make up` runs here. A request that fails for a moment is
        sent again up to `retries` times. If the server asks for a longer pause than `longest_pause_seconds`,
        its refusal is raised at once. `http` replaces the HTTP client, which the caller then closes.
        """
        self.server: Server = find_server(url, token)
        self._transport = Transport(
            self.server, retries=retries, longest_pause_seconds=longest_pause_seconds, http=http
        )
        self.images = Images(self._transport)
        self.batches = Batches(self._transport)
        self.events = Events(self._transport)
        self.account = Account(self._transport)
        self.tokens = Tokens(self._transport)
        self.webhooks = Webhooks(self._transport)

    def upscale(
        self,
        source: Source,
        *,
        timeout: float | None = None,
        filename: str | None = None,
        idempotency_key: str | None = None,
        on_change: Callable[[Image], object] | None = None,
        **options: Unpack[Options],
    ) -> Upscaled:
        """Upscale a picture, and return the result once it is there.

        `source` is a path, bytes, an open file, or a link. Without `scale`, `width` and `height` it is
        doubled. Raise `ImageFailed` if it ends without a result, `WaitTimedOut` after `timeout` seconds, and
        an `ApiError` if it is refused.
        """
        accepted = self.images.submit(source, filename=filename, idempotency_key=idempotency_key, **options)
        image = self.images.wait(accepted.id, timeout=timeout, on_change=on_change)
        return Upscaled(image, self.images)

    def models(self) -> list[ServedModel]:
        """Return the models that this installation serves."""
        return parse(list[ServedModel], self._transport.call("GET", "/api/models"))

    def plans(self) -> list[OfferedPlan]:
        """Return the plans that this installation offers."""
        return parse(list[OfferedPlan], self._transport.call("GET", "/api/plans"))

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Send any request, and return its `data`. Options are `query`, `body`, `form` and `key`."""
        return self._transport.call(method, path, **options)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
