"""`make clean` leaves nothing, and tools keep what they store where it looks."""

import subprocess

from loupe_local.state import REPOSITORY
from tests.install.conftest import Checkout

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
