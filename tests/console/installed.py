"""Installs what the tests of the console need, and finds a browser."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from loupe_local.state import REPOSITORY

CHECKS = REPOSITORY / ".loupe/console/checks"
CHROMIUM = """
import chromium from "@sparticuz/chromium";
console.log(await chromium.executablePath());
"""
SYSTEM_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LAUNCH_SECONDS = 60


def make(*targets: str) -> None:
    """Make the targets, or fail with a sentence."""
    own = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(
        ["make", "--silent", *targets], cwd=REPOSITORY, env=own, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(
            f"The console cannot be tested: its packages come from npm, so that `make {' '.join(targets)}` "
            f"needs a network, but only once:\n{done.stdout}{done.stderr}",
            pytrace=False,
        )


def environment() -> dict[str, str]:
    """Return the environment in which the Node of the checks runs. What it unpacks stays in their folder."""
    return os.environ | {"PATH": f"{CHECKS / 'bin'}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(CHECKS)}


def find_browser() -> Path:
    """Return the program: what LOUPE_BROWSER names, the pinned Chromium, or else the system's."""
    if named := os.environ.get("LOUPE_BROWSER"):
        return Path(named)
    pinned = _pinned()
    found = [pinned, *(Path(path) for name in SYSTEM_BROWSERS if (path := shutil.which(name)))]
    for program in found:
        if program and _runs(program):
            return program
    pytest.fail(
        "No browser starts here. Install Chromium (`apt-get install chromium`), name one in LOUPE_BROWSER, "
        "or leave the console's tests out: LOUPE_BROWSER=none",
        pytrace=False,
    )


def _pinned() -> Path | None:
    """Return the Chromium of the npm package, unpacked once. None on a machine for which there is none."""
    script = CHECKS / "unpack.mjs"
    script.write_text(CHROMIUM)
    done = subprocess.run(
        ["node", script], env=environment(), capture_output=True, text=True, check=False, cwd=CHECKS
    )
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def _runs(program: Path) -> bool:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, check=False, timeout=LAUNCH_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
