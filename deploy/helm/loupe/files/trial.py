"""Test a release as a client would: list the plans and, with the argument `upscale`, upscale a picture.

The script creates an account, gives it a plan as an operator, and deletes it at the end. It downloads the
result from inside the cluster, with the host name in the Host header for which the link was signed.
"""
# ruff: noqa: INP001, T201, S310  a script: it prints, and opens URLs that the chart gives it

import json
import os
import secrets
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from typing import Any
from urllib.parse import urlsplit

API, OBJECTS = os.environ["API_URL"], os.environ["OBJECTS_URL"]
SIDE, FACTOR = 64, 2
LONGEST_SECONDS = 600
ADDRESS = os.environ["TEST_ADDRESS"]
"""The address of the account. `*` stands for letters that no other test has."""


class Refused(Exception):
    """The API refused a request, or the picture failed. The message says which and why."""


def call(
    method: str, path: str, body: bytes | None = None, token: str = "", content_type: str = "application/json"
) -> Any:
    headers = {"Content-Type": content_type, **({"Authorization": f"Bearer {token}"} if token else {})}
    request = urllib.request.Request(API + path, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer).get("data")
    except urllib.error.HTTPError as error:
        raise Refused(f"{method} {path}: {error.code} {error.read().decode()}") from error


def admin(*arguments: str) -> None:
    """Run `loupe-admin`."""
    subprocess.run([sys.executable, "-m", "gateway.admin", *arguments], check=True, stdout=subprocess.DEVNULL)


def png() -> bytes:
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    lines = (bytes(sample for x in range(SIDE) for sample in (4 * x, 4 * y, 128)) for y in range(SIDE))
    data = zlib.compress(b"".join(b"\0" + line for line in lines))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def upload(token: str) -> int:
    boundary = secrets.token_hex(16)
    factor = f'Content-Disposition: form-data; name="scale_factor"\r\n\r\n{FACTOR}'
    file = 'Content-Disposition: form-data; name="image"; filename="test.png"\r\nContent-Type: image/png'
    start = f"--{boundary}\r\n{factor}\r\n--{boundary}\r\n{file}\r\n\r\n".encode()
    body = start + png() + f"\r\n--{boundary}--\r\n".encode()
    image = call("POST", "/api/images/upscale", body, token, f"multipart/form-data; boundary={boundary}")
    return image["id"]


def wait_for_result(image: int, token: str) -> dict[str, Any]:
    """Return the image once it is completed."""
    until = time.monotonic() + LONGEST_SECONDS
    while True:
        state = call("GET", f"/api/images/{image}", token=token)
        if state["status"] == "completed":
            return state
        if state["status"] == "failed":
            raise Refused(f"the picture failed: {state['error']}")
        if time.monotonic() > until:
            raise Refused(
                f"after {LONGEST_SECONDS} s the picture is still {state['status']}: does a worker run?"
            )
        time.sleep(2)


def size_of(link: str) -> tuple[int, int]:
    """Download the PNG and return its width and height."""
    signed = urlsplit(link)
    inside_cluster = f"{OBJECTS}{signed.path}?{signed.query}" if OBJECTS else link
    request = urllib.request.Request(inside_cluster, headers={"Host": signed.netloc})
    with urllib.request.urlopen(request, timeout=60) as answer:
        width, height = struct.unpack(">II", answer.read()[16:24])
    return width, height


def upscale() -> None:
    address, password = ADDRESS.replace("*", secrets.token_hex(8)), f"Aa1{secrets.token_hex(12)}"
    user = {"name": "Helm", "email": address, "password": password, "password_confirmation": password}
    token = call("POST", "/api/auth/register", json.dumps(user).encode())["token"]
    try:
        admin("user", "verify", address)
        admin("plan", "set", address, "professional")
        state, expected = wait_for_result(upload(token), token), (SIDE * FACTOR, SIDE * FACTOR)
        if size_of(state["download_url"]) != expected:
            raise Refused(f"the result is not a PNG of {expected}")
        print(f"a picture was upscaled to {expected} in {state['processing_time']} s")
    finally:
        call("DELETE", "/api/user", token=token)


def main() -> None:
    print(f"the API answers: it has {len(call('GET', '/api/plans'))} plans")
    if "upscale" in sys.argv:
        upscale()


main()
