"""Commands in the pages name only targets, files, options, values and variables that exist."""

import contextlib
import functools
import importlib
import io
import itertools
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.admin import build_parser
from tests.chart.helm import CHART, load
from tests.snippets.blocks import OPENING, PAGES, ROOT, code_of

HISTORY = "CHANGELOG.md"
"""The only page that names what was removed."""
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", MAKEFILE, re.MULTILINE))
CALLED_BY_MAKE = [*ROOT.glob("deploy/*/build"), *ROOT.glob("deploy/*/up"), ROOT / "proto" / "generate"]
MAKE = re.compile(r"(?:^|[;&|] *|[A-Z_]+=\S+ )make ((?:[\w-]+(?:=\S*)? ?)+)")
FILE = re.compile(
    r"(?<![\w/.@-])((?:docs|deploy|tests|services|proto|requirements)/[\w./-]*\w)(?![\w*…]|/?[*{])"
)
PLACEHOLDER = re.compile(r"NAME|SERVICE")
WRITTEN_LATER = {"deploy/compose/.env"}
IN_A_CLUSTER = {"deploy/loupe-operator"}
"""kubectl names a Deployment in the same way as a file."""
ADMIN = re.compile(r"\bloupe-admin ([^`#;|()]+)")
SET = re.compile(r"\bhelm\b.* --set[ =](\S+)")
VALUES_FILE = re.compile(r"\bhelm\b.* (?:--values|-f)[ =](\S+\.yaml)")
OF_THE_READER = re.compile(r"my-values\.yaml|loupe-[\d.]+-images\.yaml")
VARIABLE = re.compile(r"\b((?:GATEWAY|AUTH|IMAGES|BILLING|INFERENCE|LOUPE)_[A-Z0-9_]*[A-Z0-9])\b")


def named(find: Callable[[str], Iterator[str]]) -> list[tuple[str, str]]:
    """Return each name that occurs in the code of a page, with the page."""
    pages = {page: text for page, text in PAGES.items() if page != HISTORY}
    return sorted(
        {(page, name) for page, text in pages.items() for code in code_of(text) for name in find(code)}
    )


def words_of_make(code: str) -> Iterator[str]:
    for words in MAKE.findall(code):
        yield from words.split()


def files(code: str) -> Iterator[str]:
    yield from (name for name in FILE.findall(code) if not PLACEHOLDER.search(name))


def commands_of_operators(code: str) -> Iterator[str]:
    if "alias loupe-admin=" not in code:
        yield from (command.strip() for command in ADMIN.findall(code))


def values(code: str) -> Iterator[str]:
    for settings in SET.findall(code):
        yield from (setting.partition("=")[0] for setting in settings.split(","))


def files_of_values(code: str) -> Iterator[str]:
    yield from VALUES_FILE.findall(code)


def variables(code: str) -> Iterator[str]:
    yield from VARIABLE.findall(code)


@pytest.mark.parametrize(("page", "word"), named(words_of_make))
def test_a_target_and_a_variable_of_make_exist(page: str, word: str) -> None:
    variable, is_variable, _ = word.partition("=")
    sources = MAKEFILE + "".join(path.read_text() for path in CALLED_BY_MAKE)

    assert re.search(rf"\b{variable}\b", sources) if is_variable else word in TARGETS, page


@pytest.mark.parametrize(("page", "name"), named(files))
def test_a_file_exists(page: str, name: str) -> None:
    assert (ROOT / name).exists() or name in WRITTEN_LATER | IN_A_CLUSTER, page


@pytest.mark.parametrize(("page", "command"), named(commands_of_operators))
def test_a_command_of_operators_exists_with_its_options(page: str, command: str) -> None:
    typed = itertools.takewhile(lambda word: word != ">", shlex.split(command))
    words = ["1" if word in {"SEQUENCE", "ID"} else word for word in typed if word != "…"]

    refusal = refusal_of(words)

    # in a sentence, the name of a group or a command without its arguments is enough
    is_incomplete = "arguments are required" in refusal or "verbs:" in refusal
    assert not refusal or is_incomplete, (page, refusal)


def refusal_of(words: list[str]) -> str:
    """Return why `loupe-admin` does not understand these words, or an empty text."""
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        try:
            build_parser().parse_args(words)
        except SystemExit as end:
            return error.getvalue() if end.code else ""
    return ""


@pytest.mark.parametrize(("page", "value"), named(values))
def test_a_value_that_is_set_is_a_value_of_the_chart(page: str, value: str) -> None:
    found = load((CHART / "values.yaml").read_text())

    for key in value.split("."):
        assert key in found, page
        found = found[key]


@pytest.mark.parametrize(("page", "name"), named(files_of_values))
def test_a_file_of_values_exists_or_is_the_readers_own(page: str, name: str) -> None:
    assert OF_THE_READER.fullmatch(name) or (ROOT / name).is_file(), page


@pytest.mark.parametrize(("page", "name"), named(variables))
def test_a_variable_is_read_by_something(page: str, name: str) -> None:
    service, _, setting = name.lower().partition("_")
    is_setting = service != "loupe" and setting in settings_of(service)

    assert is_setting or re.search(rf"\b{name}\b", sources()), page


def settings_of(service: str) -> set[str]:
    return set(importlib.import_module(f"{service}.settings").Settings.model_fields)


@functools.cache
def sources() -> str:
    """Return everything that may read a variable, but no page."""
    paths = [
        path for folder in ("deploy", "tests", "services", "clients") for path in (ROOT / folder).rglob("*")
    ]
    return MAKEFILE + "\n".join(path.read_text() for path in paths if is_source(path))


def is_source(path: Path) -> bool:
    return path.is_file() and (path.suffix in {".py", ".yaml", ".tpl", ".sh", ".toml"} or not path.suffix)


def test_every_kind_of_name_is_found() -> None:
    finders = (words_of_make, files, commands_of_operators, values, files_of_values, variables)

    assert all(named(find) for find in finders)


def test_a_request_stands_in_a_fenced_block_where_a_test_finds_it() -> None:
    hidden = [
        (page, code)
        for page, text in PAGES.items()
        for code in code_of("\n".join(unfenced(text)))
        if code.startswith(("curl ", "import ", "fetch("))
    ]

    assert hidden == []


def unfenced(text: str) -> Iterator[str]:
    is_fenced = False
    for line in text.splitlines():
        if OPENING.match(line):
            is_fenced = not is_fenced
        elif not is_fenced:
            yield line
