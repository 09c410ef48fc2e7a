"""Clients that upload, wait, download and delete, whichever gateway answers, and remember what they found."""

import asyncio
import contextlib
import io
import itertools
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import httpx2
from PIL import Image

from tests.client import UNFINISHED
from tests.gateway.harness import Person
from tests.pixels import encoded

SIZE = (48, 32)


class Clients:
    """Everything that the clients of one user do. Answers that a gateway did not give are tried again."""

    def __init__(self, gateways: Sequence[str], person: Person) -> None:
        self.person = person
        headers = {"Authorization": f"Bearer {person.token}"}
        self._gateways = [httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) for url in gateways]
        self._turns = itertools.cycle(self._gateways)
        self.accepted = set[int]()
        self.deleted = set[int]()
        self.unclear_uploads = 0
        """Uploads without an answer, or with an error of ours. Loupe may have accepted them or not."""
        self.problems = list[str]()
        self.checked = 0
        """The number of results that were downloaded and compared."""

    async def upload_for_ever(self, start: int) -> None:
        """Upload single images and batches, and wait for each. Every fifth image is deleted at once."""
        for number in itertools.count(start):
            ids = await (self._upload_batch(number) if number % 4 == 0 else self._upload_one(number))
            if number % 5 == 0:
                for image_id in ids:
                    await self.delete(image_id)
            else:
                await asyncio.gather(*(self.check_result(image_id, number) for image_id in ids))

    async def delete(self, image_id: int) -> None:
        self.deleted.add(image_id)  # before the call: the load may end between the deletion and its answer
        answer = await self.call("DELETE", f"/api/images/{image_id}")
        if answer.status_code not in {200, 404}:  # 404: an earlier try deleted it, and its answer was lost
            self.problems.append(f"image {image_id} could not be deleted: {answer.text}")

    async def check_result(self, image_id: int, number: int) -> None:
        found = await self.until_ended(image_id)
        if found["status"] != "completed":
            self.problems.append(f"image {image_id} is {found['status']}: {found}")
            return
        content = await download(found["download_url"])
        with Image.open(io.BytesIO(content)) as picture:
            size, colour = picture.size, picture.convert("RGB").getpixel((7, 7))
        if (size, colour) != ((2 * SIZE[0], 2 * SIZE[1]), colour_of(number)):
            self.problems.append(f"image {image_id} has {size} and {colour}, not those of upload {number}")
        self.checked += 1

    async def until_ended(self, image_id: int) -> dict[str, Any]:
        while True:
            answer = await self.call("GET", f"/api/images/{image_id}")
            if answer.status_code != 200 or answer.json()["data"]["status"] not in UNFINISHED:
                break
            await asyncio.sleep(0.1)
        return answer.json()["data"] if answer.status_code == 200 else {"status": answer.text}

    async def list_images(self) -> dict[int, str]:
        """Return the status of every image that the user has."""
        found, page, pages = dict[int, str](), 1, 1
        while page <= pages:
            answer = (await self.call("GET", "/api/images", params={"per_page": 100, "page": page})).json()
            found |= {image["id"]: image["status"] for image in answer["data"]}
            page, pages = page + 1, answer["meta"]["last_page"]
        return found

    async def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request until a gateway answers it. Only calls that may be repeated go this way."""
        while (answer := await self._try(method, path, **options)) is None:
            await asyncio.sleep(0.1)
        return answer

    async def close(self) -> None:
        for gateway in self._gateways:
            await gateway.aclose()

    async def _upload_one(self, number: int) -> list[int]:
        self.unclear_uploads += 1  # until there is an answer
        files = {"image": ("one.png", picture(number))}
        answer = await self._try("POST", "/api/images/upscale", files=files, data=options_of(number))
        return self._accept(answer, "id")

    async def _upload_batch(self, number: int) -> list[int]:
        self.unclear_uploads += 1
        files = [("images[]", (f"{each}.png", picture(number))) for each in range(3)]
        answer = await self._try("POST", "/api/batches", files=files, data=options_of(number))
        return self._accept(answer, "images")

    def _accept(self, answer: httpx2.Response | None, key: str) -> list[int]:
        if answer is None:
            return []
        self.unclear_uploads -= 1
        if answer.status_code != 202:
            self.problems.append(f"an upload was refused: {answer.status_code} {answer.text}")
            return []
        found = answer.json()["data"][key]
        ids = [found] if isinstance(found, int) else [image["id"] for image in found]
        self.accepted.update(ids)
        return ids

    async def _try(self, method: str, path: str, **options: Any) -> httpx2.Response | None:
        """Return the answer of the first gateway that can be reached, or None if it failed."""
        for _ in self._gateways:
            try:
                answer = await next(self._turns).request(method, path, **options)
            except httpx2.ConnectError:
                continue
            except httpx2.TransportError:
                return None
            return answer if answer.status_code < 500 else None
        return None


async def download(link: str) -> bytes:
    """Return the object, as soon as the store answers."""
    async with httpx2.AsyncClient(timeout=30) as store:
        while True:
            with contextlib.suppress(httpx2.TransportError):
                answer = await store.get(link)
                if answer.status_code < 500:
                    return answer.raise_for_status().content
            await asyncio.sleep(0.1)


def colour_of(number: int) -> tuple[int, int, int]:
    """Return a colour that stands for this number, up to 65,536."""
    return (number >> 8 & 255, number & 255, 77)


def options_of(number: int) -> dict[str, str]:
    """Let two of three uploads pass through Triton."""
    return {"scale_factor": "2", "model": ("auto", "faithful", "clean")[number % 3]}


def picture(number: int) -> bytes:
    return encoded(Image.new("RGB", SIZE, colour_of(number)), "PNG")


@contextlib.asynccontextmanager
async def load(clients: Sequence[Clients]) -> AsyncGenerator[None]:
    """Keep all clients busy while the block runs."""
    tasks = [asyncio.create_task(each.upload_for_ever(1 + 1000 * n)) for n, each in enumerate(clients)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for each in results:
        if isinstance(each, BaseException) and not isinstance(each, asyncio.CancelledError):
            raise each
