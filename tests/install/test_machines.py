"""A machine on which Loupe cannot run gets a sentence before anything is created."""

import ast
from pathlib import Path

import pytest

from loupe_local.state import REPOSITORY
from tests.install.conftest import Checkout, assert_refused

MACHINES = {
    "macOS": (
        "import platform, sys; sys.platform = 'darwin'; platform.machine = lambda: 'arm64'",
        "Loupe runs on Linux x86-64, and this is macOS on arm64.",
    ),
    "ARM": (
        "import platform; platform.machine = lambda: 'aarch64'",
        "Loupe runs on Linux x86-64, and this is Linux on aarch64.",
    ),
    "32 bit": ("import sys; sys.maxsize = 2**31 - 1", "this is Linux on x86, 32-bit."),
    "an old Python": (
        "import sys; sys.version_info = (3, 10, 13, 'final', 0)",
        "Loupe needs Python 3.11 or newer, and ",
    ),
    "an old glibc": (
        "import os; os.confstr = lambda name: 'glibc 2.31'",
        "Loupe needs glibc 2.35 or newer (Ubuntu 22.04, Debian 12), and this system has glibc 2.31.",
    ),
    "musl": (
        "import os\ndef confstr(name): raise ValueError\nos.confstr = confstr",
        "this system has another C library.",
    ),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_an_unsuitable_machine_gets_a_sentence(checkout: Checkout, machine: str) -> None:
    code, sentence = MACHINES[machine]

    done = checkout.make("demo", **checkout.customize_python(code))

    assert_refused(done, sentence)
    assert done.stdout == ""
    assert not (checkout.folder / ".loupe").exists()


def test_a_missing_python_gets_a_sentence(checkout: Checkout) -> None:
    done = checkout.make("demo", "PYTHON=python3.99")

    assert_refused(done, "There is no Python at python3.99. Loupe needs Python 3.11 or newer")


@pytest.mark.parametrize("name", ["__main__.py", "machine.py"])
def test_an_old_python_can_read_what_refuses_it(name: str) -> None:
    ast.parse((REPOSITORY / "deploy/install" / name).read_text(), feature_version=(3, 6))


def test_the_oldest_glibc_is_the_one_that_the_installed_wheels_need() -> None:
    wheels = [
        *REPOSITORY.glob(".venv/lib/python*/site-packages/*.dist-info/WHEEL"),
        *REPOSITORY.glob(".loupe/triton/lib/python*/site-packages/*.dist-info/WHEEL"),
    ]

    needed = max(glibc_of(wheel) for wheel in wheels)

    assert f"OLDEST_GLIBC = {needed}\n" in (REPOSITORY / "deploy/install/machine.py").read_text()


def glibc_of(wheel: Path) -> tuple[int, int]:
    """Return the oldest glibc that a wheel says it works with."""
    tags = [part for part in wheel.read_text().replace("-", ".").split(".") if part.startswith("manylinux_")]
    return min(((int(tag.split("_")[1]), int(tag.split("_")[2])) for tag in tags), default=(0, 0))
