"""Records what clients asked for and what was answered. The audits compare it with what the system has."""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class Wish(StrEnum):
    """The last request of the client."""

    RESULT = "result"
    CANCEL = "cancel"
    DELETE = "delete"
    EXPIRE = "expire"
    """The image shall be gone a while after its end."""


@dataclass(kw_only=True)
class Submission:
    """An image that a client sent. `number` is what the picture shows, and its file name."""

    number: int
    user_id: int
    width: int
    height: int
    is_accepted: bool | None = None
    """None if no answer came: the image may exist or not."""
    image_id: int | None = None
    answered_ids: set[int] = field(default_factory=set[int])
    """The images that were named to the client, which sent the upload several times with one key."""
    batch_id: int | None = None
    wish: Wish = Wish.RESULT
    is_wish_confirmed: bool = False

    @property
    def file_name(self) -> str:
        return f"{self.number:06}.png"


@dataclass
class Journal:
    """All submissions of a run, and the answers that no client should get."""

    submissions: list[Submission] = field(default_factory=list[Submission])
    answers: Counter[str] = field(default_factory=Counter[str])
    wrong_answers: list[str] = field(default_factory=list[str])
    wrong_downloads: list[str] = field(default_factory=list[str])
    heard: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    """The images and batches of whose end a follower of events was told: `image` or `batch`, and the id."""
    delivered: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    """The images and batches whose end a webhook told."""
    resets: int = 0
    """The number of times that a follower was asked to read its lists again."""
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def add(self, user_id: int, width: int, height: int) -> Submission:
        submission = Submission(number=next(self._numbers), user_id=user_id, width=width, height=height)
        self.submissions.append(submission)
        return submission

    @property
    def accepted(self) -> list[Submission]:
        return [one for one in self.submissions if one.is_accepted]
