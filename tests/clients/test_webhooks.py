"""`webhooks.verify` accepts what the specification's own example signs, and nothing else."""

import base64
import hmac
import json
import time
from collections.abc import Mapping

import pytest

from loupe_client import webhooks
from loupe_client.errors import InvalidInput, WebhookInvalid

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""This secret, the id, the time, the body and the signature are the example of Standard Webhooks."""
ID, AT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
EVENT = {"type": "image.completed", "timestamp": "2026-02-15T12:00:00.000000Z", "data": {"id": 42}}


def headers_of(body: bytes, secret: str = SECRET, at: int | None = None) -> dict[str, str]:
    moment = int(time.time()) if at is None else at
    signature = webhooks.sign(body, ID, moment, secret)
    return {"Webhook-Id": ID, "Webhook-Timestamp": str(moment), "Webhook-Signature": signature}


def test_a_signature_is_that_of_the_specification() -> None:
    assert webhooks.sign(BODY, ID, AT, SECRET) == SIGNATURE


def test_a_signed_event_is_returned_with_its_id() -> None:
    body = json.dumps(EVENT).encode()

    event = webhooks.verify(body, headers_of(body), SECRET)

    assert (event.type, event.data, event.id) == ("image.completed", {"id": 42}, ID)
    assert event.timestamp


def test_one_of_several_signatures_and_secrets_is_enough() -> None:
    body, other = json.dumps(EVENT).encode(), "whsec_" + base64.b64encode(b"another secret").decode()
    headers = headers_of(body)
    headers["Webhook-Signature"] = f"v1,bm9uZQ== v2,x {headers['Webhook-Signature']}"

    assert webhooks.verify(body, headers, [other, SECRET]).type == "image.completed"


@pytest.mark.parametrize(
    "change",
    [
        {"Webhook-Signature": "v1,bm9uZQ=="},
        {"Webhook-Signature": "ö"},
        {"Webhook-Timestamp": "1"},
        {"Webhook-Timestamp": "soon"},
        {"Webhook-Timestamp": "9" * 30},
        {"Webhook-Id": "msg_other"},
    ],
)
def test_anything_else_is_refused(change: Mapping[str, str]) -> None:
    body = json.dumps(EVENT).encode()

    with pytest.raises(WebhookInvalid):
        webhooks.verify(body, {**headers_of(body), **change}, SECRET)


def test_another_body_another_secret_and_an_old_webhook_are_refused() -> None:
    body, other = json.dumps(EVENT).encode(), "whsec_" + base64.b64encode(b"another secret").decode()

    for given, headers in (
        (body + b" ", headers_of(body)),
        (body, headers_of(body, other)),
        (body, headers_of(body, at=int(time.time()) - 600)),
        (body, {}),
    ):
        with pytest.raises(WebhookInvalid):
            webhooks.verify(given, headers, SECRET)


def test_a_secret_that_is_none_is_an_error_of_the_caller() -> None:
    with pytest.raises(InvalidInput):
        webhooks.verify(BODY, headers_of(BODY), "no secret!")


def test_signatures_are_those_of_hmac() -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))

    digest = hmac.digest(key, f"{ID}.{AT}.".encode() + BODY, "sha256")

    assert webhooks.sign(BODY, ID, AT, SECRET) == "v1," + base64.b64encode(digest).decode()
