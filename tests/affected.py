"""Selects the tests that a change can break, runs the nearest first, and stops when the time is up.

`pytest --changed-since REV` compares the working tree with that revision. A test file is affected if it has
changed, or if it imports a changed module, directly or through other modules. It is also affected if it, or a
module that it imports directly, names a changed file, and if tests in its folder read the changed file's
folder: these come after all that import it. Tests come last that are affected only because they run the whole
system.
"""

import ast
import subprocess
import time
from collections.abc import Generator, Iterable
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from tests.processes import NEED_THE_STACK

ROOT = Path(__file__).parents[1]
SOURCES = ("proto", "services/*", "services/inference/models", "deploy/local", "clients/python", "tests")
"""Folders in which imported modules are looked up."""
READ_WHOLE = {
    "Makefile": "tests/install",
    "clients": "tests/clients",
    "VERSION": "tests/release",
    ".github": "tests/release",
    "console": "tests/console",
    "deploy/compose": "tests/containers",
    "deploy/helm": "tests/chart",
    "deploy/images": "tests/containers",
    "deploy/install": "tests/install",
    "deploy/release": "tests/release",
    "docs": "tests/test_written_pages.py",
    "requirements": "tests/install",
    "services/*/migrations": "tests/test_migrations.py",
    "services/inference/models": "tests/inference",
}
"""Folders or files that tests read without importing or naming them, and where these tests are.

What is not Python in `services/NAME` and in `tests/NAME` is read by `tests/NAME`.
"""
READER_DISTANCE, STACK_DISTANCE = 100, 200
"""Distances of a test that names or reads a changed file, and of one that only runs the whole system.

Both are larger than any number of imports.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("change", "tests of a change")
    group.addoption("--changed-since", metavar="REV", help="run only tests that the change since REV affects")
    group.addoption(
        "--seconds", type=float, default=0.0, help="start no more tests after this time; 0: no limit"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("changed_since") is not None:
        config.pluginmanager.register(Selection(config), "selection")


class Selection:
    """The affected tests of one run."""

    def __init__(self, config: pytest.Config) -> None:
        self._changed = changed_files(str(config.getoption("changed_since")))
        self._seconds = float(config.getoption("seconds") or 0)
        self._started = time.monotonic()
        self._not_run = list[pytest.Item]()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        distances = {path: distance(path, self._changed) for path in {item.path for item in items}}
        affected = [item for item in items if distances[item.path] is not None]
        config.hook.pytest_deselected(items=[item for item in items if distances[item.path] is None])
        affected.sort(key=lambda item: (distances[item.path] or 0, item.path not in self._changed))
        items[:] = affected

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        self._started = time.monotonic()
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        if not self._seconds or time.monotonic() - self._started < self._seconds:
            return None
        self._not_run.append(item)
        return True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._changed:
            terminalreporter.write_line("Nothing has changed: name an older revision with BASE=.")
        if self._not_run:
            terminalreporter.write_line(
                f"The time was up: {len(self._not_run)} more tests can be affected. `make test` runs all.",
                yellow=True,
            )
        for name in self._changed_not_run():
            terminalreporter.write_line(f"{name} has changed, and its tests did not all run.", red=True)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = pytest.ExitCode.OK
        if exitstatus == pytest.ExitCode.OK and self._changed_not_run():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _changed_not_run(self) -> list[str]:
        """Return the test files that have changed and did not run whole."""
        return sorted({relative(item.path) for item in self._not_run if item.path in self._changed})


def changed_files(revision: str, root: Path = ROOT) -> frozenset[Path]:
    """Return the files that differ from the revision, untracked ones among them.

    Raise `UsageError` if git knows no such revision.
    """
    commands = (
        ("diff", "--name-only", "--no-renames", "-z", revision, "--"),
        ("ls-files", "--others", "--exclude-standard", "-z"),
    )
    found = set[Path]()
    for command in commands:
        listed = subprocess.run(["git", *command], cwd=root, check=False, capture_output=True, text=True)
        if listed.returncode:
            reason = listed.stderr.strip().partition("\n")[0]
            raise pytest.UsageError(f"git cannot compare with the revision BASE={revision}: {reason}")
        found |= {root / name for name in listed.stdout.split("\0") if name}
    return frozenset(found)


def distance(test: Path, changed: frozenset[Path]) -> int | None:
    """Return how many imports lead from a test file to the nearest change, or None if it is not affected."""
    near = levels(test)
    for steps, level in enumerate(near):
        if level & changed:
            return steps
    if any(mentions(path, changed) for level in near[:2] for path in level):
        return READER_DISTANCE
    if relative(test).startswith(NEED_THE_STACK) and any(belongs_to_the_system(path) for path in changed):
        return STACK_DISTANCE
    return None


@cache
def levels(test: Path) -> tuple[frozenset[Path], ...]:
    """Return the files of a test, those that they import, and so on. Each file is only in its first level."""
    found = list[frozenset[Path]]()
    level = frozenset({test, *conftests(test)})
    while level:
        found.append(level)
        level = frozenset(each for path in level for each in imports(path)).difference(*found)
    return tuple(found)


def mentions(source: Path, changed: Iterable[Path]) -> bool:
    """Return whether a module of the tests names a changed file, or is where the file's folder is read."""
    if not relative(source).startswith("tests/"):
        return False
    folder = "/".join(relative(source).split("/")[:2])
    return any(
        (not path.name.startswith("__") and path.name in text_of(source)) or folder in readers(relative(path))
        for path in changed
    )


@cache
def readers(path: str) -> frozenset[str]:
    """Return the folders and files of tests that read a file of this path without naming it."""
    parts = path.split("/")
    found = {
        reader
        for read, reader in READ_WHOLE.items()
        if fnmatch("/".join(parts[: len(read.split("/"))]), read)
    }
    if parts[0] in ("services", "tests") and not path.endswith(".py"):
        found.add(f"tests/{parts[1]}")
    return frozenset(found)


def belongs_to_the_system(path: Path) -> bool:
    return relative(path).startswith(("services/", "proto/", "deploy/local/"))


def conftests(test: Path) -> list[Path]:
    return [folder / "conftest.py" for folder in test.parents if (folder / "conftest.py").exists()]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def text_of(path: Path) -> str:
    return path.read_text()


@cache
def imports(path: Path) -> frozenset[Path]:
    """Return the files of this repository that a Python file imports. A file with a syntax error has none."""
    modules: set[str] = set()
    try:
        tree = ast.parse(text_of(path))
    except (SyntaxError, ValueError):  # pytest says so, if a test imports it
        return frozenset()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found for module in modules if (found := file_of(module)))


@cache
def file_of(module: str) -> Path | None:
    """Return the file of a module, or None if the module is not from this repository."""
    inner = module.replace(".", "/")
    for source in source_folders():
        for candidate in (source / f"{inner}.py", source / inner / "__init__.py"):
            if candidate.exists():
                return candidate
    return None


@cache
def source_folders() -> tuple[Path, ...]:
    return (
        ROOT,
        *(folder for pattern in SOURCES for folder in sorted(ROOT.glob(pattern)) if folder.is_dir()),
    )
