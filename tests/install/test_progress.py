"""An installation shows what it is doing, and how far it is."""

import os
import pty
import signal
import subprocess
from pathlib import Path

from loupe_local.state import REPOSITORY
from tests.install.conftest import WORKING_UV, Checkout

DOWNLOADING = r"""
printf 'numpy  \033[32m----\033[0m----- 8.00 MiB/16.00 MiB\r\033[2K'
printf 'pillow ---- 1024 KiB/4.00 MiB\r\033[2K'
"""
DOWNLOADED = "echo 'Prepared 2 packages in 1s'; echo 'Installed 2 packages in 1ms'"


def read_terminal(reading: int, until: str = "") -> str:
    """Return what is written to a terminal, up to a text or to the end."""
    text = ""
    while not until or until not in text:
        try:
            text += os.read(reading, 1024).decode()
        except OSError:
            break
    return text


def make_on_terminal(checkout: Checkout, target: str) -> tuple[subprocess.Popen[bytes], int]:
    reading, writing = pty.openpty()
    process = subprocess.Popen(
        checkout.command(target),
        cwd=checkout.folder,
        env=checkout.environment(TERM="xterm"),
        stdout=writing,
        stderr=writing,
        start_new_session=True,
    )
    os.close(writing)
    return process, reading


def test_a_pipe_gets_plain_lines(checkout: Checkout) -> None:
    checkout.uv(f'{WORKING_UV}\n[ "$1" = venv ] || {{ {DOWNLOADING}\n{DOWNLOADED}; }}')

    done = checkout.make(".venv/run")

    first, *_, last = done.stdout.splitlines()
    assert first == "  Python packages         creating a virtual environment …"
    assert last.startswith("  Python packages         21 MB downloaded   ")
    assert "\r" not in done.stdout
    assert "\x1b" not in done.stdout


def test_a_terminal_gets_one_line_that_says_how_much_is_downloaded(checkout: Checkout) -> None:
    release = checkout.folder / "release"
    os.mkfifo(release)
    checkout.uv(
        f'{WORKING_UV}\n[ "$1" = venv ] && {{ {DOWNLOADING}\nread x < {release}\n{DOWNLOADED}; }}; true'
    )

    process, reading = make_on_terminal(checkout, ".venv/run")
    running = read_terminal(reading, until="9 of 21 MB downloaded")
    release.write_text("go on\ngo on\n")
    ended = read_terminal(reading)

    assert process.wait() == 0
    assert running.rpartition("\r")[2].startswith("  Python packages         9 of 21 MB downloaded")
    assert running.count("\n") == 0
    assert ended.rpartition("\r")[0].count("21 MB downloaded   ") == 1


def test_an_interrupted_installation_says_so_and_goes_on_later(checkout: Checkout) -> None:
    forever = checkout.folder / "forever"
    os.mkfifo(forever)
    checkout.uv(f"{DOWNLOADING}\nread x < {forever}")
    process, reading = make_on_terminal(checkout, ".venv/run")
    read_terminal(reading, until="9 of 21 MB downloaded")

    os.killpg(process.pid, signal.SIGINT)
    printed = read_terminal(reading)

    assert process.wait() != 0
    assert "Interrupted. The same command goes on where this one stopped." in printed
    assert "Traceback" not in printed
    checkout.uv(WORKING_UV)
    assert checkout.make(".venv/run").returncode == 0


def test_models_that_are_built_are_not_mentioned(checkout: Checkout) -> None:
    (checkout.folder / "services/inference/models").symlink_to(REPOSITORY / "services/inference/models")
    (checkout.folder / ".loupe").mkdir()
    for name in ("triton", "models", "models.cache"):
        (checkout.folder / ".loupe" / name).symlink_to(REPOSITORY / ".loupe" / name)

    done = checkout.make("models", "-o", ".loupe/triton/ready")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_second_make_waits_for_the_first(checkout: Checkout) -> None:
    release, calls = checkout.folder / "release", checkout.folder / "calls"
    os.mkfifo(release)
    waits = f'[ "$1" = pip ] || {{ {DOWNLOADING}\nread x < {release}; }}'
    checkout.uv(f'echo "$1" >> {calls}\n{WORKING_UV}\n{waits}')
    first, reading = make_on_terminal(checkout, ".venv/run")
    read_terminal(reading, until="9 of 21 MB downloaded")
    second, waiting = make_on_terminal(checkout, ".venv/run")
    read_terminal(waiting, until="waiting for another make that installs here")

    release.write_text("go on\n")

    read_terminal(reading)
    read_terminal(waiting)
    assert (first.wait(), second.wait()) == (0, 0)
    assert Path(calls).read_text().split() == ["venv", "pip", "pip"]
