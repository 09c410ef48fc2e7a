"""Collects the rows, objects, messages and processes after a run. Audits read nothing else."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from tests.chaos.journal import Journal
from tests.chaos.pictures import Reading


@dataclass(frozen=True, kw_only=True)
class ImageRow:
    id: int
    user_id: int
    batch_id: int | None
    original_filename: str
    original_path: str
    upscaled_path: str
    upscaled_width: int
    upscaled_height: int
    status: str
    failure_code: str | None
    reservation_id: str
    created_at: datetime
    reference: str | None = None
    has_file: bool = True
    """False if the file of an item of a manifest was not fetched."""


@dataclass(frozen=True, kw_only=True)
class BatchRow:
    id: int
    status: str
    total_images: int
    completed_images: int
    failed_images: int
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class ReservationRow:
    id: str
    user_id: int
    period_start: date
    state: str


@dataclass(frozen=True, kw_only=True)
class LedgerRow:
    reservation_id: str
    user_id: int
    period_start: date
    change: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class QuotaRow:
    user_id: int
    period_start: date
    used: int


@dataclass(frozen=True, kw_only=True)
class BlockRow:
    """Counts of a user's images, for lists. All blocks of the user added together."""

    user_id: int
    total: int
    completed: int
    failed: int


@dataclass(frozen=True, kw_only=True)
class ProcessFacts:
    """A component with all its processes."""

    descriptors: int
    threads: int
    processes: int
    zombies: int
    mebibytes: float


@dataclass(kw_only=True)
class Evidence:
    journal: Journal
    images: Sequence[ImageRow] = ()
    batches: Sequence[BatchRow] = ()
    blocks: Sequence[BlockRow] = ()
    reservations: Sequence[ReservationRow] = ()
    ledger: Sequence[LedgerRow] = ()
    quotas: Sequence[QuotaRow] = ()
    outboxes: Mapping[str, int] = field(default_factory=dict[str, int])
    objects: frozenset[str] = frozenset()
    unfetched: Sequence[int] = ()
    """The ids of images whose file is still to be fetched."""
    waiting_uploads: frozenset[str] = frozenset()
    """The keys of direct uploads that were not used yet. Their objects may be there or not."""
    results: Mapping[int, Reading | str] = field(default_factory=dict[int, Reading | str])
    """The number that the result of a completed image shows, or why it cannot be read, by the image's id."""
    waiting_messages: Mapping[str, int] = field(default_factory=dict[str, int])
    """Messages that nobody has finished: by work queue, and by durable consumer."""
    dead_letters: int = 0
    completed_events: Counter[int] = field(default_factory=Counter[int])
    """The number of events `images.completed` in the stream, by the id of the image."""
    wiped_at: datetime | None = None
    """Whether the stream was wiped in the run, and its events were published again by an operator."""
    before: Mapping[str, ProcessFacts] = field(default_factory=dict[str, ProcessFacts])
    after: Mapping[str, ProcessFacts] = field(default_factory=dict[str, ProcessFacts])
    not_ready: Sequence[str] = ()
    leftovers: Sequence[str] = ()
    """Processes, shared memory and files that exist after everything was stopped."""

    def row_of(self, file_name: str) -> ImageRow | None:
        return next((row for row in self.images if row.original_filename == file_name), None)
