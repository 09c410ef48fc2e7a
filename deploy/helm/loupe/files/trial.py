"""Uses a release as a stranger would: reads the plans and, told to `upscale`, has a picture enlarged.

The account that it makes is put on a plan by an operator, and deleted again. The link to the result is read
from inside the cluster, under the host that it was signed for.
"""
# ruff: noqa: INP001, T201, S310  a script, which prints, and opens addresses that the chart gives it

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


class Refused(Exception):
    """What the API answered."""


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


def operator(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "gateway.admin", *words], check=True, stdout=subprocess.DEVNULL)


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
    image = 'Content-Disposition: form-data; name="image"; filename="test.png"\r\nContent-Type: image/png'
    head = f"--{boundary}\r\n{factor}\r\n--{boundary}\r\n{image}\r\n\r\n".encode()
    body = head + png() + f"\r\n--{boundary}--\r\n".encode()
    sent = call("POST", "/api/images/upscale", body, token, f"multipart/form-data; boundary={boundary}")
    return sent["id"]


def finished(image: int, token: str) -> dict[str, Any]:
    until = time.monotonic() + LONGEST_SECONDS
    while True:
        state = call("GET", f"/api/images/{image}", token=token)
        if state["status"] == "completed":
            return state
        if state["status"] == "failed":
            raise Refused(f"the picture failed: {state['error']}")
        if time.monotonic() > until:
            raise Refused(
                f"after {LONGEST_SECONDS} s the picture is still {state['status']}: is there a worker?"
            )
        time.sleep(2)


def size_of(link: str) -> tuple[int, int]:
    """Width and height of the PNG behind it."""
    signed = urlsplit(link)
    inside = f"{OBJECTS}{signed.path}?{signed.query}" if OBJECTS else link
    request = urllib.request.Request(inside, headers={"Host": signed.netloc})
    with urllib.request.urlopen(request, timeout=60) as answer:
        width, height = struct.unpack(">II", answer.read()[16:24])
    return width, height


def upscale() -> None:
    address, password = f"helm-test-{secrets.token_hex(8)}@example.com", f"Aa1{secrets.token_hex(12)}"
    user = {"name": "Helm", "email": address, "password": password, "password_confirmation": password}
    token = call("POST", "/api/auth/register", json.dumps(user).encode())["token"]
    try:
        operator("user", "verify", address)
        operator("plan", "set", address, "professional")
        state, wanted = finished(upload(token), token), (SIDE * FACTOR, SIDE * FACTOR)
        if size_of(state["download_url"]) != wanted:
            raise Refused(f"the result is no PNG of {wanted}")
        print(f"a picture was enlarged to {wanted} in {state['processing_time']} s")
    finally:
        call("DELETE", "/api/user", token=token)


def main() -> None:
    print(f"{len(call('GET', '/api/plans'))} plans")
    if "upscale" in sys.argv:
        upscale()


main()
