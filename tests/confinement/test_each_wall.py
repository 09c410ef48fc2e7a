"""Each wall holds by itself, so one that a machine lacks does not open the others."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from confinement import landlock
from tests.confinement.hostile_code import run_python, running_target

BY_LANDLOCK = """
from confinement import landlock, privileges
privileges.forbid_new_privileges()
landlock.deny_everything()
print(attack(sys.argv[1]))
"""
BY_SECCOMP = """
from confinement import privileges, seccomp
privileges.forbid_new_privileges()
seccomp.allow_only_needed_calls()
print(attack(sys.argv[1]))
"""
BY_NAMESPACE = """
from confinement import privileges
privileges.leave_network()
print(attack(sys.argv[1]))
"""
WITHOUT_CAPABILITIES = """
from confinement import privileges
privileges.drop_capabilities()
print(attack(sys.argv[1]))
"""
FILE_ATTEMPTS = (
    "open({file!r})",
    "open({file!r}, 'w')",
    "open({file!r} + '.new', 'x')",
    "os.unlink({file!r})",
    "os.rename({file!r}, {file!r} + '.new')",
    "os.truncate({file!r}, 0)",
    "os.mkdir({file!r} + '.new')",
    "os.listdir('/')",
    "os.execv('/bin/true', ['true'])",
)


def landlock_version() -> int:
    try:
        return landlock.version()
    except OSError:
        return 0


def needs_landlock(version: int) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        landlock_version() < version, reason=f"this kernel has no Landlock of version {version}"
    )


def can_leave_network() -> bool:
    code = "from confinement import privileges; privileges.leave_network()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "secret"
    file.write_text("swordfish")
    yield file
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert file.read_text() == "swordfish"


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@needs_landlock(3)
@pytest.mark.parametrize("attempt", FILE_ATTEMPTS)
def test_landlock_refuses_files(file: Path, attempt: str) -> None:
    met = run_python(BY_LANDLOCK, attempt.format(file=str(file)))

    assert met.startswith("PermissionError: [Errno 13]")


@needs_landlock(4)
@pytest.mark.parametrize("attempt", ["connect", "bind"])
def test_landlock_refuses_tcp(port: int, attempt: str) -> None:
    address = ("127.0.0.1", port if attempt == "connect" else 0)

    met = run_python(BY_LANDLOCK, f"socket.socket().{attempt}({address})")

    assert met.startswith("PermissionError: [Errno 13]")


@needs_landlock(6)
def test_landlock_refuses_abstract_sockets_and_signals() -> None:
    name = f"\0loupe-wall-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener, running_target() as target:
        listener.bind(name)
        listener.listen()

        connecting = run_python(BY_LANDLOCK, f"socket.socket(socket.AF_UNIX).connect({name!r})")
        killing = run_python(BY_LANDLOCK, f"os.kill({target.pid}, signal.SIGKILL)")

        assert connecting.startswith("PermissionError: [Errno 1]")
        assert killing.startswith("PermissionError: [Errno 1]")
        assert target.is_alive


@pytest.mark.parametrize("attempt", FILE_ATTEMPTS)
def test_the_filter_of_system_calls_refuses_files(file: Path, attempt: str) -> None:
    met = run_python(BY_SECCOMP, attempt.format(file=str(file)))

    assert met.startswith("PermissionError: [Errno 1]")


def test_the_filter_of_system_calls_refuses_tcp_and_signals(port: int) -> None:
    with running_target() as target:
        connecting = run_python(BY_SECCOMP, f"socket.socket().connect(('127.0.0.1', {port}))")
        killing = run_python(BY_SECCOMP, f"os.kill({target.pid}, signal.SIGKILL)")

        assert connecting.startswith("PermissionError: [Errno 1]")
        assert killing.startswith("PermissionError: [Errno 1]")
        assert target.is_alive


@pytest.mark.skipif(not can_leave_network(), reason="this machine allows no new namespaces")
@pytest.mark.parametrize("kind", ["SOCK_STREAM", "SOCK_DGRAM"])
def test_the_network_namespace_reaches_nothing(port: int, kind: str) -> None:
    met = run_python(BY_NAMESPACE, f"socket.socket(type=socket.{kind}).connect(('127.0.0.1', {port}))")

    assert "[Errno 101] Network is unreachable" in met


@pytest.mark.parametrize("name", ["environ", "mem", "maps", "fd/0"])
def test_a_process_that_forbids_inspection_is_read_by_no_other_of_its_user(name: str) -> None:
    code = """
from confinement import privileges
privileges.drop_capabilities()
if sys.argv[1] == "protected":
    privileges.forbid_inspection()
print(os.getpid(), flush=True)
input()
"""
    met: dict[str, str] = {}
    for kind in ("open", "protected"):
        command = [sys.executable, "-c", "import os, sys\n" + code, kind]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            pid = int(process.stdout.readline())
            met[kind] = run_python(WITHOUT_CAPABILITIES, f"open('/proc/{pid}/{name}', 'rb').close()")
            process.kill()

    assert met["open"] == "done"
    assert met["protected"].startswith("PermissionError")


def test_capabilities_are_gone_for_good() -> None:
    code = "print([line for line in open('/proc/self/status') if line.startswith('Cap')])"

    shown = run_python(WITHOUT_CAPABILITIES, code)

    for kind in ("Prm", "Eff", "Inh", "Amb"):
        assert f"Cap{kind}:\\t0000000000000000" in shown


def test_a_process_with_threads_is_not_confined_by_halves() -> None:
    code = """
from confinement.walls import confine
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print(attack("confine(1 << 30)"), flush=True)
os._exit(0)
"""

    assert run_python(code).startswith("RuntimeError: the process has 2 threads")
