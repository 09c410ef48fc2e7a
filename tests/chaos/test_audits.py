"""Each audit finds what is wrong with fabricated evidence, and nothing where nothing is wrong."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.chaos import plugins, sound
from tests.chaos.evidence import Evidence, LedgerRow
from tests.chaos.pictures import Reading

AUDITS = {each.name: each for each in plugins.audits()}
Spoil = Callable[[Evidence], None]


def row(number: int, **values: Any) -> Spoil:
    """Change the row of an image."""

    def spoil(found: Evidence) -> None:
        found.images = [replace(one, **values) if one.id == number else one for one in found.images]

    return spoil


def without_row(number: int) -> Spoil:
    def spoil(found: Evidence) -> None:
        found.images = [one for one in found.images if one.id != number]

    return spoil


def reservation(name: str, state: str) -> Spoil:
    def spoil(found: Evidence) -> None:
        found.reservations = [
            replace(one, state=state) if one.id == name else one for one in found.reservations
        ]

    return spoil


def charge(name: str) -> Spoil:
    """Add an entry that charges a reservation once more."""

    def spoil(found: Evidence) -> None:
        entry = LedgerRow(
            reservation_id=name, user_id=sound.USER, period_start=sound.MONTH, change=1, reason="retaken"
        )
        found.ledger = [*found.ledger, entry]

    return spoil


def result(number: int, reading: Reading | str) -> Spoil:
    def spoil(found: Evidence) -> None:
        found.results = {**found.results, number: reading}

    return spoil


def submission(index: int, **values: Any) -> Spoil:
    def spoil(found: Evidence) -> None:
        for name, value in values.items():
            setattr(found.journal.submissions[index], name, value)

    return spoil


def facts(**values: Any) -> Spoil:
    """Change what the component has after the run."""

    def spoil(found: Evidence) -> None:
        found.after = {"images": replace(sound.FACTS, **values)}

    return spoil


def put(name: str, value: object) -> Spoil:
    """Replace a part of the evidence."""
    return edit(name, lambda _: value)


def edit(name: str, change: Callable[[Any], Any]) -> Spoil:
    """Replace a part of the evidence by what the function makes of it."""

    def spoil(found: Evidence) -> None:
        setattr(found, name, change(getattr(found, name)))

    return spoil


def count_event(image_id: int, count: int) -> Spoil:
    def spoil(found: Evidence) -> None:
        found.completed_events[image_id] = count

    return spoil


def note(name: str, line: str) -> Spoil:
    def spoil(found: Evidence) -> None:
        getattr(found.journal, name).append(line)

    return spoil


def forget(name: str, kind: str, number: int) -> Spoil:
    """Remove an ending from those that were heard or delivered."""

    def spoil(found: Evidence) -> None:
        getattr(found.journal, name).discard((kind, number))

    return spoil


WRONG: list[tuple[str, str, Spoil]] = [
    ("ended", "an accepted image is gone", without_row(1)),
    ("ended", "an image waits", row(1, status="pending")),
    ("ended", "an image is under way", row(1, status="processing")),
    ("ended", "an image has failed", row(1, status="failed", failure_code="attempts_exhausted")),
    ("ended", "nobody cancelled the image", submission(2, wish="result")),
    ("ended", "a deleted image exists", submission(0, wish="delete", is_wish_confirmed=True)),
    ("ended", "an image that should have expired exists", submission(0, wish="expire")),
    ("known", "an image exists twice", edit("images", lambda rows: [*rows, replace(rows[0], id=9)])),
    ("known", "nobody submitted the image", row(1, original_filename="000099.png")),
    ("known", "a refused image exists", row(1, original_filename="000005.png")),
    ("known", "the image belongs to another user", row(1, user_id=8)),
    ("known", "the client has another id", submission(0, image_id=2)),
    ("manifests", "a file is still to be fetched", edit("unfetched", lambda _: [1])),
    ("manifests", "two items were mixed up", row(1, reference="000009.png")),
    ("own bytes", "two results were mixed up", result(1, Reading(2, 48, 48))),
    ("own bytes", "a result shows nothing of ours", result(1, Reading(None, 48, 48))),
    ("own bytes", "a result is damaged", result(1, "OSError: truncated")),
    ("own bytes", "a result was not read", put("results", {})),
    ("own bytes", "a client downloaded something else", note("wrong_downloads", "000001.png shows 2")),
    ("exact size", "a result is too small", result(1, Reading(1, 47, 48))),
    ("exact size", "a row names another size", row(1, upscaled_width=49)),
    ("charged once", "a completed image is not charged", reservation("r1", "released")),
    ("charged once", "a cancelled image is charged", reservation("r3", "captured")),
    ("charged once", "an image is charged twice", charge("r1")),
    ("charged once", "a released place is charged", charge("r3")),
    ("charged once", "two images share a place", row(2, reservation_id="r1")),
    ("charged once", "an image has no reservation", row(1, reservation_id="r9")),
    ("charged once", "an image that was never accepted is charged", submission(3, wish="result")),
    ("ledger", "the counter is too high", edit("quotas", lambda rows: [replace(rows[0], used=4)])),
    ("ledger", "the counter is missing", put("quotas", [])),
    ("ledger", "the ledger charges more", charge("r3")),
    ("ledger", "the lists count too many", edit("blocks", lambda rows: [replace(rows[0], total=4)])),
    ("reservations", "a place is open", reservation("r1", "reserved")),
    ("reservations", "a place has expired", reservation("r3", "expired")),
    ("objects", "an object belongs to nobody", edit("objects", lambda keys: keys | {"originals/99"})),
    ("objects", "a result belongs to nobody", edit("objects", lambda keys: keys | {"upscaled/99"})),
    ("objects", "an original is missing", edit("objects", lambda keys: keys - {"originals/3"})),
    ("objects", "a result is missing", edit("objects", lambda keys: keys - {"upscaled/1"})),
    ("messages", "a queue is not empty", put("waiting_messages", {"QUEUE": 1})),
    ("messages", "an outbox is not empty", put("outboxes", {"billing": 1})),
    ("dead letters", "a message was given up", put("dead_letters", 1)),
    ("events", "an event is missing", count_event(1, 0)),
    ("events", "an event was published twice", count_event(1, 2)),
    ("events", "a cancelled image has completed", count_event(3, 1)),
    ("keys", "the answers name two images", submission(0, answered_ids={1, 9})),
    ("keys", "a repeat made a second image", edit("images", lambda rows: [*rows, replace(rows[0], id=9)])),
    ("keys", "the image is gone", without_row(1)),
    ("told", "nobody heard of an image", forget("heard", "image", 3)),
    ("told", "nobody heard of a batch", forget("heard", "batch", 1)),
    ("delivered", "no webhook told of an image", forget("delivered", "image", 3)),
    ("delivered", "no webhook told of a batch", forget("delivered", "batch", 1)),
    ("batches", "a batch has not ended", edit("batches", lambda rows: [replace(rows[0], status="pending")])),
    ("batches", "a batch is not whole", without_row(2)),
    ("batches", "a batch counts wrongly", edit("batches", lambda rows: [replace(rows[0], failed_images=0)])),
    ("answers", "a client was refused", note("wrong_answers", "GET /api/images/1: 401")),
    ("processes", "a component is not ready", put("not_ready", ["images"])),
    ("processes", "a component is not running", put("after", {})),
    ("processes", "a dead process stays", facts(zombies=1)),
    ("processes", "descriptors stay open", facts(descriptors=200)),
    ("processes", "threads stay", facts(threads=100)),
    ("processes", "processes stay", facts(processes=20)),
    ("memory", "memory has grown", facts(mebibytes=300)),
    ("leftovers", "a process is left", put("leftovers", ["process 12 postgres"])),
]


@pytest.mark.parametrize("name", AUDITS)
def test_an_audit_finds_nothing_in_a_sound_run(name: str) -> None:
    assert AUDITS[name].check(sound.evidence()) == []


@pytest.mark.parametrize(("name", "spoil"), [pytest.param(n, s, id=f"{n}: {why}") for n, why, s in WRONG])
def test_an_audit_finds_what_is_wrong(name: str, spoil: Spoil) -> None:
    found = sound.evidence()
    spoil(found)

    lines = AUDITS[name].check(found)

    assert lines
    assert all(lines)


def test_each_audit_is_known_to_find_something() -> None:
    assert {name for name, _, _ in WRONG} == set(AUDITS)


def test_after_the_stream_was_wiped_an_event_may_be_repeated_but_not_missing() -> None:
    found = sound.evidence()
    found.wiped_at = sound.DAY
    found.completed_events[1] = 2
    repeated = AUDITS["events"].check(found)
    del found.completed_events[2]

    missing = AUDITS["events"].check(found)

    assert repeated == []
    assert len(missing) == 1


def test_a_direct_upload_that_was_not_used_keeps_its_object() -> None:
    found = sound.evidence()
    found.objects = found.objects | {"images/incoming/1"}
    unknown = AUDITS["objects"].check(found)
    found.waiting_uploads = frozenset({"images/incoming/1"})

    waiting = AUDITS["objects"].check(found)

    assert len(unknown) == 1
    assert waiting == []


def test_a_wiped_broker_excuses_webhooks_for_what_was_uploaded_before_it() -> None:
    found = sound.evidence()
    found.journal.delivered.clear()

    found.wiped_at = sound.DAY + timedelta(seconds=1)
    before = AUDITS["delivered"].check(found)
    found.wiped_at = sound.DAY - timedelta(seconds=1)
    after = AUDITS["delivered"].check(found)

    assert before == []
    assert len(after) == 4
