"""Checks and makes the signatures of webhooks, by the Standard Webhooks specification."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping

from loupe_client.errors import InvalidInput, WebhookInvalid
from loupe_client.event_frames import Event, instant

TOLERANCE_SECONDS = 300
PREFIX = "whsec_"


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Iterable[str],
    *,
    tolerance_seconds: float = TOLERANCE_SECONDS,
    now: float | None = None,
) -> Event:
    """Return the event of a webhook whose signature is right. Raise `WebhookInvalid` if it is not.

    `body` is the body as it arrived: parsed and printed again it has another signature. During a rotation
    give both secrets. `id` of the event is the `webhook-id`: a delivery that comes twice has the same.
    """
    found = {name.lower(): value for name, value in headers.items()}
    try:
        name, sent_at, signatures = (found[f"webhook-{part}"] for part in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise WebhookInvalid(f"The header {missing} is missing.") from None
    if not sent_at.isdecimal() or len(sent_at) > 12:
        raise WebhookInvalid("The header webhook-timestamp is no number of seconds.")
    moment = time.time() if now is None else now
    if abs(moment - int(sent_at)) > tolerance_seconds:
        raise WebhookInvalid(
            "The webhook is too old, or from the future. Is the clock of this machine right?"
        )
    content = body.encode() if isinstance(body, str) else bytes(body)
    secrets = [secret] if isinstance(secret, str) else list(secret)
    right = [sign(content, name, int(sent_at), each).encode() for each in secrets]
    # each comparison takes the same time, and all are made
    matches = [hmac.compare_digest(one, given.encode()) for one in right for given in signatures.split()]
    if not any(matches):
        raise WebhookInvalid("The signature is wrong. Is it the secret of this webhook?")
    return _event(content, name)


def sign(body: bytes, webhook_id: str, timestamp: int, secret: str) -> str:
    """Return the value of the header `webhook-signature`. Raise `InvalidInput` for a secret that is none."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput("The secret of a webhook is whsec_ and base64.") from None
    if not key:
        raise InvalidInput("The secret of a webhook is empty.")
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _event(content: bytes, webhook_id: str) -> Event:
    try:
        envelope = json.loads(content)
        kind, data = str(envelope["type"]), dict(envelope.get("data") or {})
    except (ValueError, KeyError, TypeError) as error:
        raise WebhookInvalid("The body is no event.") from error
    return Event(type=kind, data=data, id=webhook_id, timestamp=instant(envelope.get("timestamp")))
