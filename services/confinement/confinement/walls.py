"""Confines this process, and says which walls stand on this machine."""

import resource
from collections.abc import Callable, Mapping
from pathlib import Path

from confinement import landlock, privileges, seccomp
from confinement.landlock import BY_VERSION

Report = Mapping[str, str]
"""The reasons why walls are missing, by wall. The text is empty for a wall that stands."""

MOST_FILES = 16


def confine(memory_bytes: int) -> Report:
    """Confine this process for good, and return which walls stand. Load all libraries before.

    Raise `RuntimeError` if there are several threads, because some walls hold only the thread that builds
    them.
    """
    if (threads := len(list(Path("/proc/self/task").iterdir()))) > 1:
        raise RuntimeError(f"the process has {threads} threads, and one is needed to confine it")
    report: dict[str, str] = {}
    _build(report, "network namespace", privileges.leave_network)
    _build(report, "no capabilities", privileges.drop_capabilities)
    _build(report, "no new privileges", privileges.forbid_new_privileges)
    _build(report, "not dumpable", privileges.forbid_inspection)
    _build(report, "landlock", _deny_by_landlock)
    _build(report, "limits", lambda: _limit(memory_bytes))
    _build(report, "ends with its parent", privileges.end_with_parent)
    _build(report, "seccomp", seccomp.allow_only_needed_calls)
    if report["seccomp"]:
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    return report


def protect_parent() -> Report:
    """Let no process of this user, such as a child, read the memory or the environment of this one."""
    report: dict[str, str] = {}
    _build(report, "parent not dumpable", privileges.forbid_inspection)
    return report


def _build(report: dict[str, str], wall: str, build: Callable[[], object]) -> None:
    try:
        missing = build()
    except OSError as error:
        report[wall] = str(error)
    else:
        report[wall] = missing if isinstance(missing, str) else ""


def _deny_by_landlock() -> str:
    """Return what this kernel cannot deny."""
    denied, most = landlock.deny_everything(), BY_VERSION[-1]
    lacks = {
        "some changes of files": denied.files != most.files,
        "TCP": not denied.network,
        "abstract sockets and signals": not denied.others,
    }
    missing = [what for what, is_missing in lacks.items() if is_missing]
    return f"this kernel does not deny {', '.join(missing)}" if missing else ""


def _limit(memory_bytes: int) -> None:
    """Limit the memory of this process, and let it write no files and dump no core."""
    for kind, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, MOST_FILES),
    ):
        resource.setrlimit(kind, (most, most))
