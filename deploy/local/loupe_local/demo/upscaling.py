"""Upscale one photo as a client of the REST API, and show how far it is."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2

from images.uploads import file_names
from loupe_local.demo.connection import Connection
from loupe_local.demo.errors import DemoFailed, PhotoRefused

STUCK_SECONDS = 1800
"""How long an image may stay without any progress."""
UNREACHABLE_SECONDS = 30
"""How long polling continues although the API does not answer. It may be restarting."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0

Image = dict[str, Any]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Upscaled:
    """A finished image, its file, and the seconds that each step took."""

    image: Image
    file: bytes
    seconds: dict[str, float] = field(default_factory=dict[str, float])


class Client:
    """The REST API with the token of one user."""

    def __init__(self, connection: Connection, webhook_url: str = "") -> None:
        """`webhook_url` is where Loupe posts the end of each upload."""
        self._connection = connection
        self._webhook_url = webhook_url
        self._api = connection.api
        self._http = httpx2.AsyncClient(
            base_url=connection.api,
            headers={"Authorization": f"Bearer {connection.token}"},
            timeout=60,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def upscale(self, name: str, photo: bytes, scale: int, progress: Progress) -> Upscaled:
        """Return the result. Raise `PhotoRefused` if the API refuses this photo, or fails to upscale it."""
        started = time.perf_counter()
        progress("uploading")
        image_id = await self._upload(name, photo, scale)
        uploaded = time.perf_counter()
        try:
            image = await self._finished(image_id, progress)
            finished = time.perf_counter()
            progress("downloading")
            file = await self._download(image_id)
        except asyncio.CancelledError:
            with suppress(httpx2.HTTPError):  # nobody waits for the result any more
                await self._http.delete(f"/api/images/{image_id}", timeout=5)
            raise
        seconds = {
            "upload": uploaded - started,
            "upscale": finished - uploaded,
            "download": time.perf_counter() - finished,
        }
        return Upscaled(image, file, seconds)

    async def account_secret(self) -> str:
        """Return the secret that signs what is posted to `webhook_url`."""
        return self._data(await self._request("GET", "/api/webhooks/secret"))["secret"]

    async def _upload(self, name: str, photo: bytes, scale: int) -> int:
        files = {"image": (file_names.clean(name), photo)}
        form = {"scale_factor": str(scale), "webhook_url": self._webhook_url}
        return self._data(await self._request("POST", "/api/images/upscale", files=files, data=form))["id"]

    async def _finished(self, image_id: int, progress: Progress) -> Image:
        """Poll until the image is completed."""
        last, changed, pause = "", time.monotonic(), FIRST_PAUSE
        while time.monotonic() - changed < STUCK_SECONDS:
            image = await self._poll(image_id)
            if image["status"] == "completed":
                return image
            if image["status"] == "failed":
                raise PhotoRefused(image["error"]["message"])
            state = how_far(image)
            progress(state)
            if state != last:
                last, changed = state, time.monotonic()
            await asyncio.sleep(pause)
            pause = min(pause * 1.1, LONGEST_PAUSE)
        raise PhotoRefused(f"There was no progress for {STUCK_SECONDS // 60} minutes: {last}.")

    async def _poll(self, image_id: int) -> Image:
        """Return the image. Repeat the request for a while if the API does not answer it."""
        deadline = time.monotonic() + UNREACHABLE_SECONDS
        while True:
            try:
                answer = await self._http.get(f"/api/images/{image_id}")
            except httpx2.TransportError as error:
                if self._connection.has_stopped or time.monotonic() > deadline:
                    raise self._unreachable(error) from error
            else:
                if answer.status_code < 500 or time.monotonic() > deadline:
                    return self._data(answer)
            await asyncio.sleep(LONGEST_PAUSE)

    async def _download(self, image_id: int) -> bytes:
        link = self._data(await self._request("GET", f"/api/images/{image_id}/download"))["download_url"]
        try:
            async with httpx2.AsyncClient(timeout=60, trust_env=False) as without_token:
                return (await without_token.get(link)).raise_for_status().content
        except httpx2.HTTPError as error:
            raise DemoFailed(f"The result cannot be downloaded: {error or type(error).__name__}") from error

    async def _request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        try:
            return await self._http.request(method, path, **options)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> DemoFailed:
        if self._connection.has_stopped:
            return DemoFailed(f"The Loupe at {self._api} was stopped. Run `make demo` again.")
        why = str(error) or type(error).__name__
        return DemoFailed(f"The Loupe at {self._api} does not answer ({why}). Run `make demo` again.")

    def _data(self, answer: httpx2.Response) -> Any:
        """Return the answer's data. Raise `PhotoRefused` for 422, and `DemoFailed` for any other refusal."""
        if answer.is_success:
            return answer.json()["data"]
        try:
            problem = answer.json()
            fields = [text for texts in problem.get("errors", {}).values() for text in texts]
            text = " ".join(fields) or str(problem["message"])
        except (ValueError, KeyError, AttributeError):
            text = f"status {answer.status_code}"
        if answer.status_code == 422:
            raise PhotoRefused(text)
        raise DemoFailed(f"The Loupe at {self._api} refused: {text}")


def how_far(image: Image) -> str:
    """Return how far an unfinished image is: `12 %, about 40 s left`."""
    if image["status"] == "pending":
        ahead = (image["queue_position"] or 1) - 1
        state = f"waiting behind {ahead} other image{'s' * (ahead > 1)}" if ahead else "waiting"
    else:
        state = f"{image['progress']} %" if image["progress"] else "upscaling"
    left = image["estimated_seconds"]
    if not left:
        return state
    return f"{state}, about {left} s left" if left < 120 else f"{state}, about {round(left / 60)} min left"
