"""The table of figures in the README has the names and targets of `make bench`, and marks missed targets."""

import ast
import itertools
import re

import pytest

from tests.snippets.blocks import PAGES, ROOT

TABLE = PAGES["README.md"].partition("\n## Speed\n")[2].partition("\n## ")[0]
ROWS = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if re.match(r"^\| `\w+` ", line)]
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def figures() -> dict[str, str]:
    """Return the target of each figure of the bench by its name, as the table writes it."""
    trees = [ast.parse(file.read_text()) for file in (ROOT / "tests" / "bench").glob("*.py")]
    found: dict[str, str] = {}
    for node in itertools.chain.from_iterable(map(ast.walk, trees)):
        pairs = zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ()
        pairs = [(node.key, node.value)] if isinstance(node, ast.DictComp) else pairs
        for key, value in pairs:
            if key and isinstance(value, ast.Call) and ast.unparse(value.func) == "Figure":
                name = re.sub(r"{[^}]*}", "NAME", ast.unparse(key).removeprefix("f").strip("'"))
                targets = [(word.arg or "", ast.unparse(word.value)) for word in value.keywords]
                found[name] = " ".join(f"{word.replace('_', ' ')} {number}" for word, number in targets)
    return found


def test_the_table_is_found() -> None:
    assert len(ROWS) > 10


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip("`") for row in ROWS])
def test_a_row_has_the_name_and_target_of_a_figure(row: list[str]) -> None:
    name, _, _, *rest = row
    target = figures()[name.strip("`")]

    written = re.match(r"at (?:least|most) [\d.]+", rest[0]) if rest else None

    assert (written[0] if written else "") == target


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip("`") for row in ROWS])
def test_a_row_says_that_a_target_is_missed(row: list[str]) -> None:
    _, _, measured, *rest = row
    target = figures()[row[0].strip("`")]
    is_missed = False
    if target:
        limit = float(NUMBER.findall(target)[0])
        values = [float(number) for number in NUMBER.findall(measured)]
        is_missed = min(values) < limit if "least" in target else max(values) > limit

    assert ("✗" in "".join(rest)) == is_missed
