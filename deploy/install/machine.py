"""Says whether Loupe can run on this machine. An old Python must be able to read this file."""

import os
import platform
import subprocess
import sys

OLDEST_PYTHON = (3, 11)
# what Triton was built for
OLDEST_GLIBC = (2, 35)


def find_problem() -> str:
    """Return the sentence that says why Loupe cannot run here and what to do, or an empty text."""
    return find_system_problem() or find_python_problem() or find_glibc_problem()


def find_system_problem() -> str:
    system = {"darwin": "macOS"}.get(sys.platform, platform.system() or sys.platform)
    processor = platform.machine() or "an unknown processor"
    if sys.platform.startswith("linux") and processor in ("x86_64", "AMD64"):
        if sys.maxsize > 2**32:
            return ""
        processor = "x86, 32-bit"
    return (
        f"Loupe runs on Linux x86-64, and this is {system} on {processor}. "
        "Use such a machine, a virtual one included, or the container images (docs/images.md)."
    )


def find_python_problem() -> str:
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return ""
    needed, found = (f"{version[0]}.{version[1]}" for version in (OLDEST_PYTHON, sys.version_info))
    newer = [name for name in (f"python3.{minor}" for minor in range(14, 10, -1)) if can_run(name)]
    advice = (
        f"Add PYTHON={newer[0]} to the command."
        if newer
        else "Install a newer one, and name it in the command if it is not the default: PYTHON=python3.12."
    )
    return "Loupe needs Python {} or newer, and {} is Python {}. {}".format(
        needed, sys.executable, found, advice
    )


def can_run(python: str) -> bool:
    """Return whether the program starts. Version managers have programs that only print an error."""
    try:
        command = [python, "-c", ""]
        return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def find_glibc_problem() -> str:
    try:
        name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").split()
        found = tuple(int(number) for number in version.split(".")[:2])
    except (ValueError, OSError):
        name, version, found = "", "", ()
    if found >= OLDEST_GLIBC:
        return ""
    needed = f"{OLDEST_GLIBC[0]}.{OLDEST_GLIBC[1]}"
    here = f"this system has {name} {version}" if found else "this system has another C library"
    return (
        f"Loupe needs glibc {needed} or newer (Ubuntu 22.04, Debian 12), and {here}. "
        "Use a newer system, or the container images (docs/images.md)."
    )
