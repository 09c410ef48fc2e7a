"""A folder belongs to one Loupe at a time, and a second one is refused with who has it."""

import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path

import pytest

from loupe_local.state import AlreadyRunning, State, write

LOCK = "import sys; from loupe_local.state import *; State(Path(sys.argv[2])).lock(); print(); input()"


@pytest.mark.parametrize("is_ready", [True, False], ids=["ready", "starting"])
@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (
            "demo",
            "a demo (process {pid}) has started Loupe in {folder}, and stops it at its end; wait for it",
        ),
        ("up", "another Loupe is "),
    ],
)
async def test_the_program_that_has_the_folder_is_named(
    tmp_path: Path, command: str, sentence: str, *, is_ready: bool
) -> None:
    process = await create_subprocess_exec(
        sys.executable, "-c", LOCK, command, str(tmp_path), stdin=PIPE, stdout=PIPE
    )
    assert process.stdout
    await process.stdout.readline()
    if is_ready:
        write(tmp_path / "local.json", {"api": "http://127.0.0.1:1"})

    with pytest.raises(AlreadyRunning) as refused:
        State(tmp_path).lock()
    await process.communicate(b"\n")

    assert str(refused.value).startswith(sentence.format(pid=process.pid, folder=tmp_path))
