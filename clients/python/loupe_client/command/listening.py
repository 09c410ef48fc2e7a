"""`loupe webhooks listen`: events reach a program on this machine, signed as webhooks are."""

import base64
import json
import secrets
import time
from typing import Annotated

import httpx2
import typer

from loupe_client import Event, webhooks
from loupe_client.command.context import JsonOption, ServerOption, client_of, once, print_json
from loupe_client.errors import InvalidInput
from loupe_client.servers import is_loopback

ONLY_IN_STREAMS = ("image.processing", "image.progress", "batch.progress", "reset")
"""Events that no webhook gets."""
TIMEOUT_SECONDS = 15.0
webhooks_app = typer.Typer(help="Try webhooks on this machine.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(webhooks_app, name="webhooks")


@webhooks_app.callback()
def group() -> None:
    """Try webhooks on this machine."""


@webhooks_app.command()
def listen(
    forward: Annotated[str, typer.Option("--forward", metavar="URL", help="Where events are sent to.")],
    types: Annotated[str | None, typer.Option(help="Only these types: image.completed,image.failed")] = None,
    secret: Annotated[
        str | None, typer.Option(envvar="LOUPE_WEBHOOK_SECRET", help="whsec_…; by default a new one.")
    ] = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send your events to a program, signed as webhooks are, until Ctrl-C. Each is sent once."""
    if not forward.startswith(("http://", "https://")):
        raise InvalidInput(f"{forward!r} is no address. It begins with http:// or https://.")
    key = secret or webhooks.PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()
    webhooks.sign(b"", "check", 0, key)
    with (
        client_of(server) as client,
        httpx2.Client(timeout=TIMEOUT_SECONDS, trust_env=not is_loopback(forward)) as http,
    ):
        text = f"Events of {client.server.url} go to {forward}. The secret is {key}"
        chosen = types.split(",") if types else None
        for event in client.events.follow(types=chosen, on_open=once(text)):
            if event.type not in ONLY_IN_STREAMS:
                report(event, deliver(http, forward, event, key), as_json=as_json)


def deliver(http: httpx2.Client, url: str, event: Event, secret: str) -> str:
    """Send an event, and return what the program answered."""
    at = f"{event.timestamp:%Y-%m-%dT%H:%M:%S.%fZ}" if event.timestamp else None
    body = json.dumps(
        {"type": event.type, "timestamp": at, "data": event.data}, separators=(",", ":")
    ).encode()
    name, now = f"evt_{event.id}", int(time.time())
    headers = {
        "Content-Type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(now),
        "webhook-signature": webhooks.sign(body, name, now, secret),
    }
    try:
        return str(http.post(url, content=body, headers=headers).status_code)
    except httpx2.TransportError as error:
        return f"no answer: {error}"


def report(event: Event, answer: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"type": event.type, "id": event.id, "answer": answer})
    else:
        print(f"{event.type:18} {event.data.get('id', '')} -> {answer}", flush=True)
