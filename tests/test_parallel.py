"""The parallel test processes must collect the same tests, or none of them runs."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
DIFFER_IN_EACH_PROCESS = {
    "time", "time_ns", "monotonic", "perf_counter", "now", "utcnow", "today", "getpid",
    "uuid1", "uuid4", "token_hex", "token_urlsafe", "token_bytes", "randbytes", "urandom", "mkdtemp",
    "gzip.compress", "GzipFile", "writestr",
}  # fmt: skip
"""Functions whose results may become the id of a test, and then differ between processes."""
MAY_DIFFER = re.compile(rf"\b({'|'.join(map(re.escape, DIFFER_IN_EACH_PROCESS))})\(")


def names_called(node: ast.AST) -> set[str]:
    """Return the names of the called functions. A `gzip.compress` that writes the time has its module too."""
    calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
    dated = {"gzip.compress"} if any(map(writes_time, calls)) else set[str]()
    functions = (call.func for call in calls)
    return dated | {
        one.attr if isinstance(one, ast.Attribute) else getattr(one, "id", "") for one in functions
    }


def writes_time(call: ast.Call) -> bool:
    """Return whether the call is `gzip.compress` without `mtime`: its result then holds the time."""
    return ast.unparse(call.func) == "gzip.compress" and all(each.arg != "mtime" for each in call.keywords)


def parameters_of_tests(tree: ast.AST) -> list[ast.expr]:
    """Return every `parametrize` decorator, and every `params=` of a fixture."""
    functions = (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    decorators = (decorator for function in functions for decorator in function.decorator_list)
    return [each for each in decorators if "param" in ast.unparse(each)]


def test_parameters_of_tests_are_the_same_in_each_process() -> None:
    wrong = {
        (path.name, name)
        for path in TESTS.rglob("*.py")
        if "param" in (text := path.read_text()) and MAY_DIFFER.search(text)
        for parameters in parameters_of_tests(ast.parse(text))
        for name in names_called(parameters) & DIFFER_IN_EACH_PROCESS
    }

    assert not wrong


def test_processes_that_collected_different_tests_end_the_run_with_a_sentence(tmp_path: Path) -> None:
    """The status is not that of failed tests, after which CI would run all tests once more, alone."""
    lines = ("import os, pytest", "", '@pytest.mark.parametrize("pid", [os.getpid()])', "def test(pid): ...")
    (tmp_path / "test_it.py").write_text("\n".join(lines))
    plugins = ("-p", "xdist", "-p", "tests.processes", "-p", "no:cacheprovider")
    options = ("--quiet", "--rootdir", str(tmp_path), "--numprocesses", "2", "--dist", "loadscope")

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *options, tmp_path],
        cwd=TESTS.parent,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 4, ended.stdout
    assert "The test processes have collected different tests" in ended.stdout
