"""Without keys, credentials come from the platform. The server here answers as EKS Pod Identity does."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from urllib3.exceptions import HTTPError

from common.blobs import Blobs, Store
from common.platform_credentials import PlatformCredentials
from loupe_local.stores import Stores

TOKEN = "token-of-the-pod"


@contextmanager
def agent(answers: list[dict[str, Any]], asked: list[str]) -> Generator[str]:
    """Yield the address of an agent that gives these answers, and then refuses."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization", ""))
            answer = answers.pop(0) if answers else None
            self.send_response(200 if answer else 400)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  named by the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/credentials"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def token_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(path))


def credentials(access_key: str, secret_key: str) -> dict[str, Any]:
    ends_at = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"AccessKeyId": access_key, "SecretAccessKey": secret_key, "Token": "", "Expiration": ends_at}


@pytest.mark.usefixtures("token_file")
async def test_a_service_without_keys_uses_those_of_its_pod(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    access_key, secret_key = stores.s3.keys["images"]
    asked: list[str] = []
    endpoint = f"http://{stores.s3.endpoint}"

    with agent([credentials(access_key, secret_key)], asked) as address:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
        blobs = Blobs(Store(endpoint, endpoint, "us-east-1", stores.s3.bucket, "", SecretStr("")))
        await blobs.put("images/originals/by-platform", b"pixels", "image/png")
        stored = await blobs.get("images/originals/by-platform")

    assert stored == b"pixels"
    assert asked == [TOKEN]


@pytest.mark.usefixtures("token_file")
def test_credentials_are_renewed_and_old_ones_serve_while_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    with agent([credentials("first", "x" * 8), credentials("second", "y" * 8)], asked) as address:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
        renewing = PlatformCredentials(renew_seconds=-1)
        keys = [renewing.retrieve().access_key for _ in range(3)]

    assert keys == ["first", "second", "second"]
    assert len(asked) == 3


@pytest.mark.usefixtures("token_file")
def test_a_pod_without_a_role_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with agent([], []) as address:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)

        with pytest.raises(HTTPError, match="the platform gives no credentials for S3"):
            PlatformCredentials().retrieve()


@pytest.mark.parametrize(("access_key", "secret_key"), [("key", ""), ("", "secret")])
def test_half_of_a_key_is_refused(access_key: str, secret_key: str) -> None:
    with pytest.raises(ValueError, match="both an access key and a secret key, or neither"):
        Store("http://a", "http://a", "us-east-1", "loupe", access_key, SecretStr(secret_key))
