"""Uploads are read in confined children. A file that harms its child is refused, and hurts no other."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from common import errors
from images.formats import parsers as parsers_module
from images.formats.header import TOO_MUCH, USUAL_BYTES, Header, Limits
from images.formats.parsers import Parsers
from images.formats.sequences import Sequence
from tests.confinement.hostile_code import ATTACKER
from tests.pixels import encoded

LIMITS = Limits(50_000_000)
PICTURE = encoded(Image.new("RGB", (24, 16), "teal"), "PNG")
HEADER = Header("PNG", 24, 16, sequence=Sequence("frame"))
SEQUENCE = {"noun": "page", "sizes": [], "others": 0, "problem": ""}
BY_COMMAND = (
    "-c",
    ATTACKER
    + """
from images.formats import child

read = child.read

def read_or_run(data, **limits):
    if data.startswith(b"run "):
        exec(data[4:], globals())
    return read(data, **limits)

child.read = read_or_run
child.main()
""",
)
"""A parsing child that runs code from files that begin with `run`."""
MAPPED = "run kept = []\nwhile True: kept.append(bytearray(1 << 20))"


@pytest.fixture
async def parsers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Parsers]:
    monkeypatch.setattr(parsers_module, "PROGRAM", BY_COMMAND)
    parsers = Parsers(2)
    yield parsers
    await parsers.aclose()


async def refusal(parsers: Parsers, data: bytes | str, limits: Limits = LIMITS) -> str:
    with pytest.raises(errors.InvalidArgument) as refused:
        await parsers.read_header(data.encode() if isinstance(data, str) else data, limits)
    assert list(refused.value.fields) == ["image"]
    return refused.value.fields["image"][0]


@pytest.mark.parametrize(
    "code",
    ["ctypes.string_at(0)", "os._exit(3)", "os.abort()", "while True: pass", "os.close(4)", MAPPED[4:]],
)
async def test_a_file_that_ends_its_child_is_refused_and_the_next_is_read(
    parsers: Parsers, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(parsers_module, "CPU_SECONDS", 1)

    assert await refusal(parsers, f"run {code}") == TOO_MUCH

    assert await parsers.read_header(PICTURE, LIMITS) == HEADER


async def test_a_child_that_sleeps_is_refused_at_the_deadline(
    parsers: Parsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsers_module, "DEADLINE_SECONDS", 0.5)
    await parsers.walls(LIMITS)

    assert await refusal(parsers, "run time.sleep(1000)") == TOO_MUCH

    monkeypatch.undo()
    assert await parsers.read_header(PICTURE, LIMITS) == HEADER


async def test_other_uploads_are_read_while_one_file_keeps_its_child_busy(parsers: Parsers) -> None:
    busy = asyncio.create_task(parsers.read_header(b"run time.sleep(1000)", LIMITS))

    found = [await parsers.read_header(PICTURE, LIMITS) for _ in range(20)]

    assert found == [HEADER] * 20
    assert not busy.done()
    busy.cancel()
    with pytest.raises(asyncio.CancelledError):
        await busy
    assert await parsers.read_header(PICTURE, LIMITS) == HEADER


async def test_files_of_one_user_leave_a_child_to_others(parsers: Parsers) -> None:
    files = [b"run time.sleep(1000)"] * 3
    slow = [asyncio.create_task(parsers.read_header(each, LIMITS, "mallory")) for each in files]

    found = [await parsers.read_header(PICTURE, LIMITS, "jane") for _ in range(5)]

    assert found == [HEADER] * 5
    assert len(parsers._pool.children) == 2
    for each in slow:
        each.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_files_are_read_side_by_side_in_no_more_children_than_allowed(parsers: Parsers) -> None:
    found = await asyncio.gather(*(parsers.read_header(PICTURE, LIMITS) for _ in range(20)))

    assert found == [HEADER] * 20
    assert len(parsers._pool.children) == 2


async def test_a_child_that_died_while_idle_is_replaced_silently(parsers: Parsers) -> None:
    await parsers.read_header(PICTURE, LIMITS)
    [idle] = parsers._pool.children

    psutil.Process(idle.pid).kill()

    assert await parsers.read_header(PICTURE, LIMITS) == HEADER


@pytest.mark.parametrize(
    "changed",
    [
        {"width": 0},
        {"width": -24},
        {"width": 2.5},
        {"width": "24"},
        {"width": 1 << 40},
        {"width": 50_000_000},
        {"frames": 0},
        {"frames": 3000},
        {"frames": True},
        {"depth": 1000},
        {"is_lossy": 1},
        {"has_alpha": None},
        {"format": "SVG"},
        {"format": ["PNG"]},
        {"format": "GIF"},
        {"owner": 1},
        {"sequence": None},
        {"sequence": {}},
        {"sequence": {**SEQUENCE, "noun": "<b>"}},
        {"sequence": {**SEQUENCE, "others": -1}},
        {"sequence": {**SEQUENCE, "others": True}},
        {"sequence": {**SEQUENCE, "problem": "two\nlines"}},
        {"sequence": {**SEQUENCE, "problem": "x" * 5000}},
        {"sequence": {**SEQUENCE, "sizes": [[24, 16], [0, 16]]}},
        {"sequence": {**SEQUENCE, "sizes": [[24, 16, 1]]}},
        {"sequence": {**SEQUENCE, "sizes": [["24", 16]]}},
        {"sequence": {**SEQUENCE, "sizes": [24]}},
        {"sequence": {**SEQUENCE, "sizes": [[10_000, 10_000]]}},
        {"sequence": {**SEQUENCE, "sizes": [[1, 1]] * 2001}},
        {"refusal": 5},
        {"refusal": ""},
        {"refusal": "x" * 5000},
        {"refusal": "two\nlines"},
        {"refusal": ["x"]},
    ],
    ids=json.dumps,
)
async def test_an_answer_that_no_honest_child_gives_is_not_believed(
    parsers: Parsers, changed: dict[str, object]
) -> None:
    code = f"""send = child.child.send
def forge(out, header):
    send(out, {{**header, **{changed!r}}} if "width" in header else header)
child.child.send = forge"""
    limits = Limits(50_000_000, ("PNG", "JPEG"))
    await refusal(parsers, f"run {code}", limits)

    assert await refusal(parsers, PICTURE, limits) == TOO_MUCH


@pytest.mark.parametrize(
    "answer", ["[]", "null", "{}", "x", "NaN", '{"format": "PNG"}', "[" * 30_000], ids=range(7)
)
async def test_an_answer_of_another_shape_is_not_believed(parsers: Parsers, answer: str) -> None:
    code = f"""send = child.child.send
def forge(out, header):
    if "width" not in header:
        return send(out, header)
    out.write(struct.pack(">Q", {len(answer)}) + {answer.encode()!r})
child.child.send = forge"""
    await refusal(parsers, f"run {code}")

    assert await refusal(parsers, PICTURE) == TOO_MUCH


async def test_an_answer_sent_in_advance_is_not_taken_for_that_of_the_next_file(parsers: Parsers) -> None:
    code = "os.write(4, struct.pack('>Q', 15) + b'{\"refusal\": \"x\"}' + bytes(16))"

    assert await refusal(parsers, f"run {code}") == TOO_MUCH

    assert await parsers.read_header(PICTURE, LIMITS) == HEADER


async def test_files_that_take_much_memory_to_read_take_none_of_this_process() -> None:
    """A GIF of 1.9 million blocks behind a byte that is none: its reader once took 330 MiB."""
    picture = encoded(Image.new("P", (8, 8)), "GIF")
    bomb = picture[:-1] + b"\0" + b"\x21\xf9\1\0\0" * 1_900_000
    parsers = Parsers(2)
    await parsers.walls(LIMITS)
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_bytes()

    await asyncio.gather(*(parsers.read_header(bomb, LIMITS) for _ in range(6)), return_exceptions=True)

    assert peak_bytes() - before < 30 << 20
    for parser in parsers._pool.children:
        assert psutil.Process(parser.pid).rlimit(psutil.RLIMIT_AS)[0] == USUAL_BYTES
    await parsers.aclose()


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"])
async def test_the_largest_pictures_are_read_within_the_limits(file_format: str) -> None:
    data = encoded(Image.new("L", (7000, 7000), 128), file_format)
    parsers = Parsers(1)

    header = await parsers.read_header(data, LIMITS)

    assert (header.format, header.width, header.height) == (file_format, 7000, 7000)
    await parsers.aclose()


def peak_bytes() -> int:
    """Return the most memory that this process has had since the last reset."""
    shown = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert shown
    return int(shown[1]) << 10
