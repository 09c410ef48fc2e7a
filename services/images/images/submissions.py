"""Submissions with an idempotency key: each takes effect once, however often the client repeats it.

A submission takes its key before it reads the body. The transaction that makes the image also stores the
answer with the key. So there is nothing, or an image whose answer a repeat gets. A key whose process died
without an answer is free again after 20 s.
"""

import contextlib
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from google.protobuf.message import Message
from prometheus_client import Counter
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors, log, process
from common.db import Sessions
from images.domain import idempotency_keys
from images.domain.idempotency_keys import Name, Stored
from images.uploads.body_hash import BodyHash, Part
from images.uploads.incomplete import incomplete_upload
from loupe import refusals
from loupe.contract import IDEMPOTENCY_KEY_METADATA, QUOTA_USED_UP_METADATA
from loupe.images.v1 import images_pb2 as pb

LOG = log.get(__name__)
RENEW_SECONDS = 5.0
SWEEP_SECONDS = 600.0
Response = TypeVar(
    "Response",
    pb.CreateUploadResponse,
    pb.UpscaleResponse,
    pb.CreateBatchResponse,
    pb.CreateManifestResponse,
    pb.RetryImageResponse,
    pb.RetryBatchResponse,
)

repeated = Counter(
    "loupe_repeated_submissions_total",
    "Requests with the idempotency key of another one: `replayed`, `in_use` or `other_body`",
    ["route", "outcome"],
)


@dataclass(slots=True)
class Submission:
    """One request that makes something. Without a key, nothing is known of repeats."""

    name: Name | None = None
    stored: Stored | None = None
    """The answer to the request that this one repeats. None if it repeats none."""
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    body: BodyHash = field(default_factory=BodyHash)

    async def store(self, session: AsyncSession, response: Message) -> None:
        """Store the answer in the transaction that makes what was submitted, as its last step.

        Raise `Unavailable` if the submission lost its key.
        """
        if self.name:
            answer = Stored(self.body.digest(), response.SerializeToString())
            await idempotency_keys.store(session, self.name, self.id, answer)

    def read(self, parts: AsyncIterator[Part]) -> AsyncIterator[Part]:
        """Return the messages of the call. Their hash is known once they are read."""
        return self.body.over(parts) if self.name else parts

    async def replay(self, parts: AsyncIterator[Part], response: Response) -> Response:
        """Read what the hash covers, and return the stored answer. `response` is the empty message for it.

        Raise `InvalidArgument` if this request has another body.
        """
        async for _ in parts:
            if self.body.is_complete:
                break
        if not self.body.is_complete:
            raise incomplete_upload()
        return self.stored_answer(response)

    def stored_answer(self, response: Response) -> Response:
        """Return the stored answer. Raise `InvalidArgument` unless `body` has the hash of the first body."""
        if self.name is None or self.stored is None:
            raise ValueError("this submission repeats no other one")
        is_same = self.stored.body_hash == self.body.digest()
        repeated.labels(self.name.route, "replayed" if is_same else "other_body").inc()
        if not is_same:
            raise errors.refused(refusals.IDEMPOTENCY_KEY_REUSED)
        response.ParseFromString(self.stored.response)
        response.replayed = True
        return response


class Submissions:
    """The submissions of this process that have a key."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._under_way = dict[uuid.UUID, Name]()

    @contextlib.asynccontextmanager
    async def begin(
        self, user_id: int, route: str, metadata: Mapping[str, str]
    ) -> AsyncGenerator[Submission]:
        """Yield the submission of a call, whose `metadata` may have a key. If the block raises, free the key.

        Raise `AlreadyExists` while another submission has the key, and `PermissionDenied` if the submission
        is new and the gateway knows that the quota is used up.
        """
        key = metadata.get(IDEMPOTENCY_KEY_METADATA, "")
        if not key:
            yield Submission()
            return
        name = Name(user_id, route, key)
        submission = Submission(name)
        try:
            await self._take(submission, name, can_be_new=QUOTA_USED_UP_METADATA not in metadata)
            yield submission
        except BaseException:
            if submission.stored is None:
                await process.finish(self._free(submission.id, name))
            raise
        finally:
            self._under_way.pop(submission.id, None)

    async def keep_alive(self) -> None:
        """Renew the keys of submissions under way until cancelled."""
        await process.every(RENEW_SECONDS, self.renew)

    async def renew(self) -> None:
        """Let the submissions of this process have their keys for another 20 s."""
        if self._under_way:
            under_way = [(name, submission_id) for submission_id, name in self._under_way.items()]
            async with self._sessions.begin() as session:
                await idempotency_keys.renew(session, under_way)

    async def _take(self, submission: Submission, name: Name, *, can_be_new: bool) -> None:
        try:
            async with self._sessions.begin() as session:
                submission.stored = await idempotency_keys.take(session, name, submission.id)
        except errors.AlreadyExists:
            repeated.labels(name.route, "in_use").inc()
            raise
        if submission.stored:
            return
        if not can_be_new:
            raise errors.refused(refusals.QUOTA_EXCEEDED)
        self._under_way[submission.id] = name

    async def _free(self, submission_id: uuid.UUID, name: Name) -> None:
        """Free the key now. If that is not possible, it is free after 20 s."""
        try:
            async with self._sessions.begin() as session:
                await idempotency_keys.free(session, name, submission_id)
        except Exception as error:  # noqa: BLE001  the key expires, whatever went wrong
            LOG.warning(
                "the idempotency key of a failed request is not free yet",
                user_id=name.user_id,
                error=log.error_text(error),
                action="it is free after 20 s",
            )


async def delete_expired(sessions: Sessions) -> None:
    """Delete all keys that are free again."""
    is_more = True
    while is_more:
        async with sessions.begin() as session:
            is_more = await idempotency_keys.delete_expired(session)
