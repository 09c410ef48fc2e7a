"""Calls to the API, and checks of its answers."""

import asyncio
import secrets
from pathlib import Path
from typing import Any

import httpx2
from PIL import Image

from loupe_local.stack import Stack
from tests.contract.shapes import Schema, a_failure, a_success, check
from tests.pixels import encoded, opened

PHOTOS = Path(__file__).parents[2] / "docs" / "photos"
SMALL = encoded(Image.open(PHOTOS / "chelsea.png").convert("RGB").crop((100, 60, 124, 76)))
"""24 x 16 pixels of a real photo, as JPEG."""
_TIFF = encoded(opened(SMALL).resize((64, 64)), "TIFF", compression="tiff_lzw")
CORRUPT = _TIFF[:8] + b"\xff" * 392 + _TIFF[400:]
"""A TIFF that only looks whole: no pixel of it can be decoded."""
PASSWORD = "Correct-Horse-1"
MULTIPART = {"Content-Type": "multipart/form-data; boundary=here"}


def data_of(answer: httpx2.Response, message: str, shape: Schema | None = None, status: int = 200) -> Any:
    """Check that the answer is a success with exactly this message. Return its data."""
    assert answer.status_code == status, answer.text
    check(answer.json(), a_success(shape))
    assert answer.json()["message"] == message, answer.text
    return answer.json().get("data")


def refusal(answer: httpx2.Response) -> tuple[int, str, str]:
    """Check the shape of an error. Return its status, code and message."""
    body = answer.json()
    check(body, a_failure(on_fields="errors" in body))
    assert answer.headers["content-type"] == "application/json"
    assert body["request_id"] == answer.headers["x-request-id"]
    return answer.status_code, body["code"], body["message"]


def invalid_fields(answer: httpx2.Response) -> dict[str, list[str]]:
    """Check that the answer is a validation error. Return its fields."""
    assert refusal(answer) == (422, "validation_failed", "Validation failed")
    return answer.json()["errors"]


def new_email() -> str:
    return f"{secrets.token_hex(6)}@example.com"


def registration(email: str) -> dict[str, str]:
    return {"name": "New", "email": email, "password": PASSWORD, "password_confirmation": PASSWORD}


async def a_batch(client: httpx2.AsyncClient, *files: bytes, **fields: object) -> httpx2.Response:
    form = {field: str(value) for field, value in fields.items()}
    named = [("images[]", (f"photo{number}.jpg", data)) for number, data in enumerate(files, 1)]
    return await client.post("/api/batches", files=named, data=form)


async def answer_to_headers(stack: Stack, path: str, length: int, token: str = "") -> str:
    """Send only the headers of a request. Return the first line of the answer."""
    host, _, port = stack.api.removeprefix("http://").partition(":")
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in MULTIPART.items()]
    lines += [f"Authorization: Bearer {token}"] if token else []
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = await asyncio.wait_for(reader.readline(), timeout=10)
    writer.close()
    return answer.decode().strip()


async def until_deleted(stack: Stack, *keys: str) -> None:
    """Wait until no object has one of these keys."""
    store, bucket = stack.stores.s3.client("images"), stack.stores.s3.bucket

    def found() -> set[str]:
        return {str(one.object_name) for one in store.list_objects(bucket, recursive=True)} & {*keys}

    async with asyncio.timeout(20):
        while await asyncio.to_thread(found):
            await asyncio.sleep(0.05)
