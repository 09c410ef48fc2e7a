"""A client of the REST API that writes down what it asked for and what was answered."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import httpx2

from tests.chaos import pictures
from tests.chaos.journal import Journal, Submission, Wish

TIMEOUT_SECONDS = 20.0
RETRY_SECONDS = 0.5
TEMPORARY = {502, 503, 504}
"""Answers that say: try again later."""
EXPECTED = {404, 409, 429}
"""Answers that a scenario may get: a thing is gone, or has changed, or two archives are on their way."""
OPTIONS: Sequence[tuple[dict[str, object], tuple[int, int]]] = (
    ({"scale_factor": 2, "model": "faithful"}, (48, 48)),
    ({"scale_factor": 4, "model": "faithful"}, (96, 96)),
    ({"scale_factor": 3, "model": "pixel"}, (72, 72)),
    ({"target_width": 61, "target_height": 37, "model": "faithful"}, (61, 37)),
    ({"scale_factor": 2, "model": "clean"}, (48, 48)),
)
"""Options of uploads, and the size that their results must have."""
KEYED_ANSWERS = 2
"""Answers that a client wants to an upload with a key. It repeats the upload until it has them."""
UNFINISHED = ("pending", "processing")


class Client:
    """A user with a token, who uses all gateways in turn."""

    def __init__(
        self,
        *,
        user_id: int,
        token: str,
        gateways: Sequence[str],
        gallery: str,
        journal: Journal,
        chosen: random.Random,
    ) -> None:
        self.user_id = user_id
        self.random = chosen
        self.journal = journal
        self.is_over = asyncio.Event()
        """Set at the end of the run. Nothing is waited for any longer."""
        self._gateways = gateways
        self._gallery = gallery
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_SECONDS, trust_env=False
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def upload(self, *, wait: bool = False) -> Submission:
        """Upload one image with random options. `wait` asks for an answer at its end."""
        fields, size = self.random.choice(OPTIONS)
        submission = self.journal.add(self.user_id, *size)
        files = {"image": (submission.file_name, pictures.draw(submission.number))}
        form = {key: str(value) for key, value in fields.items()}
        headers = {"Prefer": "wait=10"} if wait else {}
        answer = await self.request("POST", "/api/images/upscale", files=files, data=form, headers=headers)
        self._note(submission, answer)
        return submission

    async def upload_for_a_minute(self) -> Submission:
        """Upload one image that is to be deleted a minute after its end."""
        fields, size = self.random.choice(OPTIONS)
        submission = self.journal.add(self.user_id, *size)
        submission.wish = Wish.EXPIRE
        files = {"image": (submission.file_name, pictures.draw(submission.number))}
        form = {key: str(value) for key, value in fields.items()} | {"expires_in": "60"}
        self._note(submission, await self.request("POST", "/api/images/upscale", files=files, data=form))
        return submission

    async def send_link(self) -> Submission:
        """Ask for a picture of the gallery by its address."""
        fields, size = self.random.choice(OPTIONS)
        submission = self.journal.add(self.user_id, *size)
        body = {"image_url": f"{self._gallery}/{submission.file_name}", **fields}
        self._note(submission, await self.request("POST", "/api/images/upscale", json=body))
        return submission

    async def upload_directly(self) -> Submission | None:
        """Put a picture into the store, and name it then. Return None if the run ends before it is there."""
        fields, size = self.random.choice(OPTIONS)
        submission = self.journal.add(self.user_id, *size)
        file = pictures.draw(submission.number)
        announced = {"filename": submission.file_name, "size": len(file), "sha256": sha256(file).hexdigest()}
        submission.is_accepted = False
        prepared = await self.insist("POST", "/api/uploads", json=announced)
        if prepared is None or not await self._store(prepared.json()["data"], file):
            return None
        body = {"upload_id": prepared.json()["data"]["id"], **fields}
        self._note(submission, await self.request("POST", "/api/images/upscale", json=body))
        return submission

    async def _store(self, upload: dict[str, Any], file: bytes) -> bool:
        """Put the file again and again until the store has it. Return False if the run ends before."""
        while not self.is_over.is_set():
            with contextlib.suppress(httpx2.TransportError):
                headers = {**upload["headers"], "Authorization": ""}
                answer = await self._http.put(upload["url"], content=file, headers=headers)
                if answer.is_success:
                    return True
            await asyncio.sleep(RETRY_SECONDS)
        return False

    def _note(self, submission: Submission, answer: httpx2.Response | None) -> None:
        submission.is_accepted = _is_accepted(answer)
        if answer is None or not submission.is_accepted:
            return
        image = answer.json()["data"]
        submission.image_id = image["id"]
        if answer.status_code == 200 and image["status"] in UNFINISHED:
            self.journal.wrong_answers.append(f"an upload waited, and the image is {image['status']}")

    async def upload_again_and_again(self) -> Submission:
        """Upload one image with an idempotency key until it is accepted, and then once more.

        Now and then send it twice at the same time.
        """
        fields, size = self.random.choice(OPTIONS)
        submission = self.journal.add(self.user_id, *size)
        files = {"image": (submission.file_name, pictures.draw(submission.number))}
        form = {key: str(value) for key, value in fields.items()}
        headers, path = {"Idempotency-Key": submission.file_name}, "/api/images/upscale"
        accepted = 0
        while accepted < KEYED_ANSWERS and not self.is_over.is_set():
            sent = [
                self.request("POST", path, files=files, data=form, headers=headers)
                for _ in range(self.random.randint(1, 2))
            ]
            for answer in await asyncio.gather(*sent):
                if answer is not None and _is_accepted(answer):
                    accepted += 1
                    submission.answered_ids.add(answer.json()["data"]["id"])
            await self.pause(0, RETRY_SECONDS)
        if submission.answered_ids:
            submission.is_accepted, submission.image_id = True, min(submission.answered_ids)
        return submission

    async def upload_batch(self, count: int) -> tuple[int | None, list[Submission]]:
        """Upload a batch. Return its id, if it was accepted, and its images."""
        fields, size = self.random.choice(OPTIONS)
        submissions = [self.journal.add(self.user_id, *size) for _ in range(count)]
        files = [("images[]", (one.file_name, pictures.draw(one.number))) for one in submissions]
        form = {key: str(value) for key, value in fields.items()}
        answer = await self.request("POST", "/api/batches", files=files, data=form)
        batch = answer.json()["data"] if answer is not None and _is_accepted(answer) else None
        ids = {image["original_filename"]: image["id"] for image in batch["images"]} if batch else {}
        for one in submissions:
            one.is_accepted = _is_accepted(answer)
            one.image_id, one.batch_id = ids.get(one.file_name), batch["id"] if batch else None
        return batch["id"] if batch else None, submissions

    async def send_manifest(self, count: int) -> tuple[int | None, list[Submission]]:
        """Send links to pictures of the gallery with a key until they are accepted. Return the batch's id."""
        fields, size = self.random.choice(OPTIONS)
        submissions = [self.journal.add(self.user_id, *size) for _ in range(count)]
        items = [
            {"image_url": f"{self._gallery}/{one.file_name}", "reference": one.file_name}
            for one in submissions
        ]
        headers = {"Idempotency-Key": submissions[0].file_name}
        answer = await self.insist("POST", "/api/batches", json={"items": items, **fields}, headers=headers)
        batch = answer.json()["data"] if answer is not None and _is_accepted(answer) else None
        ids = {image["reference"]: image["id"] for image in batch["images"]} if batch else {}
        for one in submissions:
            one.is_accepted = _is_accepted(answer)
            one.image_id, one.batch_id = ids.get(one.file_name), batch["id"] if batch else None
        return batch["id"] if batch else None, submissions

    async def request(self, method: str, path: str, **options: Any) -> httpx2.Response | None:
        """Send a request once. Return None if no answer came."""
        address = self.random.choice(self._gateways) + path
        try:
            answer = await self._http.request(method, address, **options)
        except httpx2.TransportError:
            self.journal.answers["none"] += 1
            return None
        self.journal.answers[str(answer.status_code)] += 1
        if answer.is_error and answer.status_code not in TEMPORARY | EXPECTED:
            self.journal.wrong_answers.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer

    async def insist(self, method: str, path: str, **options: Any) -> httpx2.Response | None:
        """Repeat a request until it is answered. Return None if the run ends before."""
        while not self.is_over.is_set():
            answer = await self.request(method, path, **options)
            if answer is not None and answer.status_code not in TEMPORARY:
                return answer
            await asyncio.sleep(RETRY_SECONDS)
        return None

    async def wait(self, path: str, unfinished: Sequence[str] = UNFINISHED) -> dict[str, Any] | None:
        """Poll until the image or batch has ended, and return it. Return None if the run ends before."""
        while not self.is_over.is_set():
            answer = await self.insist("GET", path)
            if answer is None or answer.is_error:
                return None
            found = answer.json()["data"]
            if found["status"] not in unfinished:
                return found
            await asyncio.sleep(self.random.uniform(0.2, 0.6))
        return None

    async def delete(self, path: str, submissions: Sequence[Submission], wish: Wish) -> None:
        """Cancel or delete. The wish counts from the first attempt, and is confirmed by an answer."""
        for one in submissions:
            one.wish = wish
        answer = await self.insist("DELETE", path)
        for one in submissions:
            one.is_wish_confirmed = answer is not None and answer.status_code in {200, 404}

    async def follow(self, submission: Submission) -> None:
        """Wait for the end of an accepted image, and download its result."""
        if submission.image_id is None:
            return
        image = await self.wait(f"/api/images/{submission.image_id}")
        if image and image["status"] == "completed":
            await self.download(image, submission)

    async def download(self, image: dict[str, Any], submission: Submission) -> None:
        """Download a result by its link, and write it down if it is not the client's own."""
        try:
            answer = await self._http.get(image["download_url"], headers={"Authorization": ""})
        except httpx2.TransportError:
            return
        if answer.is_error:  # the store may be down or full; the audit reads every result again
            return
        try:
            reading = await asyncio.to_thread(pictures.read, answer.content)
        except OSError as error:
            reading = repr(error)
        if reading != pictures.Reading(submission.number, submission.width, submission.height):
            self.journal.wrong_downloads.append(f"{submission.file_name} shows {reading}")

    async def pause(self, shortest: float, longest: float) -> None:
        await asyncio.sleep(self.random.uniform(shortest, longest))


def _is_accepted(answer: httpx2.Response | None) -> bool | None:
    """Return None if nobody can know: no answer, or one of a proxy or gateway that had none either."""
    if answer is None or answer.status_code in TEMPORARY:
        return None
    return answer.status_code in {200, 202}  # 200: it waited, and the image has ended
