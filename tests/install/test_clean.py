"""`make clean` leaves nothing, and tools keep what they store where it looks."""

import fcntl
import subprocess

import pytest

from loupe_local.state import REPOSITORY
from tests.install.conftest import Checkout, assert_refused

LEFT_BEHIND = (
    ".venv/bin/python",
    ".loupe/local/data",
    ".loupe/ruff/x",
    "uv.lock",
    "dist/loupe.whl",
    ".import_linter_cache/x",
    ".pytest_cache/x",
    ".ruff_cache/x",
    ".hypothesis/x",
    "services/common/common/__pycache__/x.pyc",
    "services/common/loupe_common.egg-info/PKG-INFO",
    "tests/install/__pycache__/x.pyc",
)


def git(checkout: Checkout, *arguments: str) -> str:
    identity = ("-c", "user.name=Jane", "-c", "user.email=jane@example.com")
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=checkout.folder, check=True, capture_output=True, text=True).stdout


def test_make_clean_leaves_only_what_git_knows_and_ones_own_settings(checkout: Checkout) -> None:
    (checkout.folder / ".gitignore").write_bytes((REPOSITORY / ".gitignore").read_bytes())
    git(checkout, "init", "--quiet")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "Everything")
    for name in (*LEFT_BEHIND, ".env"):
        file = checkout.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()

    done = checkout.make("clean")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert git(checkout, "status", "--porcelain", "--ignored").splitlines() == ["!! .env"]


def test_make_clean_keeps_the_pictures_of_a_person_until_it_is_told_otherwise(checkout: Checkout) -> None:
    results = checkout.folder / ".loupe/demo"
    results.mkdir(parents=True)
    (results / ".facts").mkdir()
    (results / "chelsea@4x.png").touch()
    (results / "holiday@2x.jpg").touch()

    refused = checkout.make("clean")
    is_kept = (results / "holiday@2x.jpg").exists()
    done = checkout.make("clean", "PICTURES=delete")

    assert refused.returncode != 0
    assert "There is a picture of yours" in refused.stderr
    assert "'holiday@2x.jpg'" in refused.stderr
    assert is_kept
    assert done.returncode == 0
    assert not results.exists()


def test_make_clean_removes_nothing_while_a_loupe_runs(checkout: Checkout) -> None:
    folder = checkout.folder / ".loupe/local"
    folder.mkdir(parents=True)
    with (folder / "lock").open("w") as lock:
        lock.write("4321")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)

        refused = checkout.make("clean")

    assert refused.returncode != 0
    assert refused.stderr == "Loupe is running in this folder (process 4321). Stop it first.\n"
    assert folder.exists()


def test_a_word_that_is_no_command_is_refused_before_anything_runs(checkout: Checkout) -> None:
    for word in ("holiday.jpg", "photo=holiday.jpg"):
        refused = checkout.make("demo", word)

        assert refused.returncode != 0
        assert refused.stdout == ""
        assert "PHOTO" in refused.stderr or "capital" in refused.stderr


@pytest.mark.parametrize(
    ("word", "command"),
    [
        ("demos", "demo"),
        ("dmeo", "demo"),
        ("tests", "test"),
        ("hlep", "help"),
        ("log", "logs"),
        ("it's", None),
    ],
)
def test_a_command_that_is_nearly_right_is_suggested(
    checkout: Checkout, word: str, command: str | None
) -> None:
    refused = checkout.make(word)

    assert refused.returncode != 0
    assert ("Did you mean" in refused.stderr) == (command is not None)
    assert command is None or f"Did you mean `make {command}`?" in refused.stderr


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "80 80"])
def test_a_port_that_is_none_is_refused_before_anything_is_installed(checkout: Checkout, port: str) -> None:
    refused = checkout.make("up", f"PORT={port}")

    assert_refused(
        refused, f"loupe: PORT must be a number from 1 to 65535, for example PORT=8080, not {port!r}"
    )
    assert refused.stdout == ""
    assert not (checkout.folder / ".venv").exists()
    assert not (checkout.folder / ".loupe").exists()


def test_help_lists_what_a_newcomer_needs_first(checkout: Checkout) -> None:
    lines = checkout.make("help").stdout.splitlines()

    assert [line.split()[1] for line in lines[:5]] == ["help", "demo", "up", "logs", "test"]
