"""An attacker who controls a child that reads files reaches no file, no network and no other process."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

import inference.worker
from confinement import system_calls
from confinement.process import ConfinedProcess
from confinement.seccomp import conditions
from images.formats import header
from inference.decoding import protocol
from tests.confinement.attempts import ALL, NUMBERS, ORDINARY
from tests.confinement.hostile_code import (
    DECODING_CHILD,
    PARSING_CHILD,
    Target,
    attack_from,
    attack_unconfined,
    running_target,
)

REFUSED = re.compile(r"\w+: \[Errno (1|13)\]")
"""EPERM by seccomp, or EACCES by Landlock."""
LIMITS = {"decoding": protocol.Limits(), "parsing": header.Limits(50_000_000)}
MOST_NUMBER = 700
"""The kernel has no system call with a higher number."""
TRAMPOLINES = {"x86_64": {335, 336}}
"""uretprobe and uprobe. Linux lets no filter see them, and they do nothing unless the kernel has set a probe.
"""


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with running_target() as target:
        yield target


@pytest.fixture(scope="module", params=LIMITS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def child(kind: str) -> Iterator[ConfinedProcess]:
    child = start(kind)
    yield child
    child.end()


def start(kind: str) -> ConfinedProcess:
    program = DECODING_CHILD if kind == "decoding" else PARSING_CHILD
    return ConfinedProcess("-c", program, json.dumps(asdict(LIMITS[kind])))


@pytest.fixture(scope="module")
def places(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, object]]:
    """Return what the attempts aim at. All of it is there, and open to this user."""
    folder = tmp_path_factory.mktemp("walls")
    unix, abstract = str(folder / "socket"), f"\0loupe-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as by_path,
        socket.socket(socket.AF_UNIX) as by_name,
    ):
        for listener, address in ((by_path, unix), (by_name, abstract)):
            listener.bind(address)
            listener.listen()
        yield {
            "pid": target.pid,
            "port": tcp.getsockname()[1],
            "unix": unix,
            "abstract": abstract,
            "source": inference.worker.__file__,
            **NUMBERS,
        }


def prepared(code: str, places: dict[str, object], folder: Path) -> str:
    secret = folder / "secret"
    secret.write_text("swordfish")
    return code.format(**places, secret=str(secret))


@pytest.mark.parametrize("attempt", ALL)
def test_a_captured_child_is_refused(
    child: ConfinedProcess, target: Target, places: dict[str, object], tmp_path: Path, attempt: str
) -> None:
    met = attack_from(child, prepared(ALL[attempt], places, tmp_path))

    assert REFUSED.match(met)
    assert target.is_alive
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert (tmp_path / "secret").read_text() == "swordfish"


@pytest.mark.parametrize("attempt", ORDINARY)
def test_without_walls_the_same_attempt_succeeds(
    places: dict[str, object], tmp_path: Path, attempt: str
) -> None:
    with running_target() as target:
        code = prepared(ORDINARY[attempt], {**places, "pid": target.pid}, tmp_path)

        met = attack_unconfined(code)

    assert met in ("done", "")  # nothing is printed by a process that became another program


def test_all_system_calls_but_the_listed_ones_are_refused(child: ConfinedProcess) -> None:
    column = system_calls.Numbers._fields.index(os.uname().machine)
    listed = {call[column] for call in system_calls.FREE.values()}
    listed |= TRAMPOLINES.get(os.uname().machine, set())
    listed |= {condition.call[column] for condition in conditions()} | {system_calls.CLONE3[column]}

    met = attack_from(
        child,
        f"""
for number in set(range({MOST_NUMBER})) - {listed}:
    for other_abi in (0, 0x40000000):
        try:
            call(number | other_abi)
        except PermissionError:
            continue
        raise AssertionError(number)
""",
    )

    assert met == "done"


def test_the_child_sees_no_environment_and_no_open_file(child: ConfinedProcess) -> None:
    met = attack_from(
        child,
        """
assert not [name for name in os.environ if name not in ("VIPS_CONCURRENCY", "LC_CTYPE")], os.environ
pipes = []
for number in range(16):
    try:
        os.lseek(number, 0, os.SEEK_CUR)
    except OSError as error:
        if error.errno == errno.ESPIPE:
            pipes.append(number)
        else:
            assert error.errno == errno.EBADF, error
    else:
        assert number in (1, 2), number  # /dev/null
assert len(pipes) == 3, pipes  # stdin, requests and answers
""",
    )

    assert met == "done"


def test_a_thread_can_be_started(child: ConfinedProcess) -> None:
    met = attack_from(child, "t = threading.Thread(target=bool); t.start(); t.join()")

    assert met == "done"


def test_memory_is_limited(child: ConfinedProcess, kind: str) -> None:
    met = attack_from(child, f"bytearray({LIMITS[kind].memory_bytes})")

    assert met.startswith("MemoryError")


def test_a_child_that_computes_for_ever_is_killed(kind: str) -> None:
    child = start(kind)

    with pytest.raises(EOFError):
        attack_from(child, "while True: pass", cpu_seconds=1)

    child.end()


def test_a_child_that_crashes_dumps_no_core(kind: str) -> None:
    child = start(kind)

    with pytest.raises(EOFError):
        attack_from(child, "ctypes.string_at(0)")
    child.end()

    assert child.exit_code == -signal.SIGSEGV
