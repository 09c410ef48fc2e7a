"""Use the API until standard input ends, then print `{"answers": …, "images": [ids], "failures": [texts]}`.

Arguments: the URL of the API, a token, and a PNG in base64. Each request has a connection of its own, and
none is repeated.
"""
# ruff: noqa: S310, BLE001  a script for a pod of the tests, with a URL of the tests

import base64
import json
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

API, TOKEN, PNG = sys.argv[1], sys.argv[2], base64.b64decode(sys.argv[3])
SECONDS = 60
stopping = threading.Event()
answers: list[int] = []
images: list[int] = []
failures: list[str] = []


def call(path: str, body: bytes | None = None, kind: str = "application/json") -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
    request = urllib.request.Request(API + path, body, headers)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        found = json.load(answer)
    answers.append(answer.status)
    return found


def read() -> None:
    call("/api/images")


def plans() -> None:
    call("/api/plans")


def upload() -> None:
    parts = (
        b'--b\r\nContent-Disposition: form-data; name="scale_factor"\r\n\r\n2\r\n'
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n"
    )
    body = parts + PNG + b"\r\n--b--\r\n"
    images.append(call("/api/images/upscale", body, "multipart/form-data; boundary=b")["data"]["id"])


def repeat(action: Callable[[], None], pause: float) -> None:
    while not stopping.wait(pause):
        try:
            action()
        except Exception as error:
            detail = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
            failures.append(f"{action.__name__}: {error!r} {detail}")


pauses = {read: 0.1, plans: 0.1, upload: 1.0}
threads = [threading.Thread(target=repeat, args=pair) for pair in pauses.items()]
for thread in threads:
    thread.start()
sys.stdin.read()
stopping.set()
for thread in threads:
    thread.join()
print(json.dumps({"answers": len(answers), "images": images, "failures": failures}))
