"""Each program and each command of the pages about the clients runs as it is printed."""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest

from tests.clients.shell import LOUPE, Shell
from tests.snippets.blocks import BLOCKS, Block

PAGES = ("docs/sdk-python.md", "docs/cli.md")
RUN = [block for block in BLOCKS.values() if block.page in PAGES and block.language in ("python", "sh")]
RUN.append(BLOCKS["README.md: Loupe: sh"])


@pytest.mark.parametrize("block", RUN, ids=lambda block: block.name)
async def test_a_block_runs_as_it_is_printed(block: Block, shell: Shell, photo_file: Path) -> None:
    (shell.folder / "text.jpg").write_text("This is no picture.")
    (shell.folder / "holiday").mkdir()
    shutil.copy(photo_file, shell.folder / "holiday")
    program = {"python": [sys.executable, "-c"], "sh": ["sh", "-euc"]}[block.language]
    path = f"{Path(LOUPE).parent}:{os.environ['PATH']}"

    process = await asyncio.create_subprocess_exec(
        *program,
        block.text,
        cwd=shell.folder,
        env={**shell.variables, "PATH": path, "no_proxy": "*"},
        stdout=PIPE,
        stderr=STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 90)

    assert process.returncode == 0, output.decode()
