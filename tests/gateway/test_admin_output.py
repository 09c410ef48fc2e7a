"""`loupe-admin` prints for a terminal, for a pipe, and without a stack."""

import asyncio
import fcntl
import json
import os
import pty
import struct
import sys
import termios
from asyncio.subprocess import PIPE
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.admin import audit
from gateway.admin.failures import UsageError
from gateway.admin.tables import Column, Table
from loupe_local.process import output_of
from loupe_local.stack import Stack
from tests.gateway.harness import People
from tests.gateway.loupe_admin import COMMAND, result_of, run

NOWHERE = "127.0.0.1:1"
LOCAL = {
    "auth_target": NOWHERE,
    "billing_target": NOWHERE,
    "images_target": NOWHERE,
    "operator_secret": "x",
}
REPOSITORY_OF_THE_PACKAGE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv.pop(1))
import gateway.admin
gateway.admin.main()
"""


async def alone(*arguments: str, cwd: Path, **variables: str) -> tuple[int, str]:
    """Run the command in a folder, with these variables only."""
    return await output_of([*COMMAND, *arguments], env=variables, cwd=cwd)


def a_local_stack(folder: Path, content: Any) -> Path:
    (folder / ".loupe").mkdir(parents=True)
    (folder / ".loupe" / "local.json").write_text(
        content if isinstance(content, str) else json.dumps(content)
    )
    return folder


async def on_terminal(stack: Stack, columns: int, *arguments: str) -> str:
    """Return what the command prints on a terminal of this width."""
    variables = {f"LOUPE_{name.upper()}": value for name, value in stack.services.admin.items()}
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = await asyncio.create_subprocess_exec(*COMMAND, *arguments, stdout=theirs, env=variables)
    await process.wait()
    os.close(theirs)
    try:
        return os.read(ours, 65536).decode().replace("\r\n", "\n")
    finally:
        os.close(ours)


async def test_the_command_alone_prints_its_help(tmp_path: Path) -> None:
    status, output = await alone(cwd=tmp_path)
    incomplete = await alone("user", cwd=tmp_path)

    assert status == 0
    assert "example:\n  loupe-admin user add" in output
    assert incomplete[0] == 2
    assert "mark a user's address as verified" in incomplete[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["gold"],
        ["user", "drop"],
        ["user", "add"],
        ["dead", "redrive", "-1"],
        ["dead", "list", "--limit", "0"],
    ],
)
async def test_a_usage_error_is_one_sentence_and_names_the_help(tmp_path: Path, arguments: list[str]) -> None:
    status, output = await alone(*arguments, cwd=tmp_path)

    assert (status, output.count("\n")) == (2, 0)
    assert "--help`." in output


async def test_a_range_that_ends_before_it_begins_is_refused_before_any_call() -> None:
    nobody: Any = None
    last, first = (datetime(2026, 2, day, tzinfo=UTC) for day in (1, 2))
    chosen: dict[str, Any] = {"user": None, "user_id": 7, "event": None, "since": first, "until": last}

    with pytest.raises(UsageError, match="--since must not be after --until"):
        await audit.list_entries(nobody, limit=1, **chosen)
    with pytest.raises(UsageError, match="--since must not be after --until"):
        await anext(audit.export_entries(nobody, **chosen))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"admin": 1}', '{"admin": {}}'])
async def test_a_broken_description_of_a_local_stack_is_named(tmp_path: Path, content: str) -> None:
    folder = a_local_stack(tmp_path, content)

    status, output = await alone("plan", "list", cwd=folder)

    assert (status, output.count("\n")) == (1, 0)
    assert f"{folder}/.loupe/local.json does not describe a local stack" in output


async def test_a_local_stack_is_found_in_a_parent_folder(tmp_path: Path) -> None:
    inside = a_local_stack(tmp_path, {"admin": LOCAL}) / "some" / "folder"
    inside.mkdir(parents=True)

    status, output = await alone("plan", "list", cwd=inside)

    assert (status, output.count("\n")) == (1, 0)
    assert output == f"loupe-admin: the auth service at {NOWHERE} does not answer; is the stack running?"


async def test_a_local_stack_is_found_in_the_repository_of_the_installation(tmp_path: Path) -> None:
    """The package lies in a repository of its own here. The current folder is elsewhere."""
    repository, elsewhere = a_local_stack(tmp_path / "repository", {"admin": LOCAL}), tmp_path / "elsewhere"
    elsewhere.mkdir()
    package = repository / "services" / "gateway"
    package.mkdir(parents=True)
    (package / "gateway").symlink_to(Path(__file__).parents[2] / "services" / "gateway" / "gateway")

    status, output = await output_of(
        [sys.executable, "-c", REPOSITORY_OF_THE_PACKAGE, str(package), "plan", "list"], env={}, cwd=elsewhere
    )

    assert status == 1
    assert f"the auth service at {NOWHERE} does not answer" in output


async def test_variables_win_over_a_local_stack(tmp_path: Path) -> None:
    folder = a_local_stack(tmp_path, {"admin": LOCAL})

    _, output = await alone("plan", "list", cwd=folder, LOUPE_AUTH_TARGET="127.0.0.1:2")

    assert "127.0.0.1:2 does not answer" in output


async def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    folder = a_local_stack(tmp_path, {"admin": LOCAL})
    files = {"LOUPE_TLS_CERTIFICATE": "/nowhere/tls.crt", "LOUPE_TLS_KEY": "/nowhere/tls.key"}

    partly = await alone("plan", "list", cwd=folder, **files)
    unreadable = await alone("plan", "list", cwd=folder, **files, LOUPE_TLS_AUTHORITY="/nowhere/ca.crt")

    assert partly[0] == unreadable[0] == 1
    assert "LOUPE_TLS_AUTHORITY is not set" in partly[1]
    assert "LOUPE_TLS_CERTIFICATE cannot be read" in unreadable[1]


async def test_json_is_accepted_at_every_place(stack: Stack) -> None:
    outputs = [
        (await run(stack, *arguments))[1]
        for arguments in (("--json", "plan", "list"), ("plan", "--json", "list"), ("plan", "list", "--json"))
    ]

    assert len(set(outputs)) == 1
    assert [plan["requests_per_hour"] for plan in json.loads(outputs[0])["plans"]] == [100, 500, 2000, 10000]


async def test_plans_are_a_table_with_numbers_on_the_right(stack: Stack) -> None:
    _, output = await run(stack, "plan", "list")

    lines = output.splitlines()
    end = lines[0].index("REQUESTS/HOUR") + len("REQUESTS/HOUR")
    assert [line[:end].split()[-1] for line in lines] == ["REQUESTS/HOUR", "100", "500", "2000", "10000"]
    assert lines[3].split()[:3] == ["professional", "Professional", "-"]


async def test_a_narrow_terminal_gets_lines_that_fit_or_a_page_for_each_row(
    stack: Stack, people: People
) -> None:
    person = await people.new()
    arguments = ("user", "list", "--search", person.email)

    wide = await on_terminal(stack, 200, *arguments)
    narrow = await on_terminal(stack, 40, *arguments)

    assert len(wide.splitlines()) == 2
    assert len(narrow.splitlines()) == 8
    assert any(line.split() == ["EMAIL", person.email] for line in narrow.splitlines())


async def test_a_name_cannot_send_commands_to_the_terminal(stack: Stack, people: People) -> None:
    person = await people.new()
    name = "\x1b[2JJane\nSmith\u202e"
    await people.execute_sql("auth", "UPDATE user_account SET name = %s WHERE id = %s", name, person.id)

    _, table = await run(stack, "user", "list", "--search", person.email)
    _, page = await run(stack, "user", "show", person.email)

    assert "\ufffd[2JJane\ufffdSmith\ufffd" in table
    assert "\x1b" not in table + page
    assert (await result_of(stack, "user", "show", person.email))["user"]["name"] == name


async def test_a_reader_that_stops_early_sees_no_traceback(stack: Stack) -> None:
    variables = {f"LOUPE_{name.upper()}": value for name, value in stack.services.admin.items()}
    reader, writer = os.pipe()
    os.close(reader)
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "plan", "list", stdout=writer, stderr=PIPE, env=variables
    )
    os.close(writer)

    _, errors = await process.communicate()

    assert (process.returncode, errors) == (1, b"")


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (None, ["N  NAME              TEXT", "1  日本 and letters  -"]),
        (25, ["N  NAME              TEXT", "1  日本 and letters  -"]),
        (22, ["N  NAME           TEXT", "1  日本 and let…  -"]),
        (12, ["N     1", "NAME  日本 and letters", "TEXT  -"]),
    ],
)
def test_a_table_fits_the_width(width: int | None, expected: list[str]) -> None:
    columns = (Column("N", is_number=True), Column("NAME", may_shorten=True), Column("TEXT"))

    assert Table(columns, [(1, "日本 and letters", None)], "none").lines(width) == expected
