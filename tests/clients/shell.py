"""Runs the command `loupe` as a user does: in a folder, with the variables of a shell, without a terminal."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 90
LOUPE = str(Path(sys.executable).with_name("loupe"))


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines that it printed."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Shell:
    folder: Path
    variables: dict[str, str]

    async def begin(self, *arguments: str | Path, program: str = LOUPE, **variables: str) -> Process:
        """Start the command, or another program, and return its process."""
        environment = {"PATH": os.environ["PATH"], "no_proxy": "*", **self.variables, **variables}
        return await asyncio.create_subprocess_exec(
            program,
            *(str(each) for each in arguments),
            cwd=self.folder,
            env=environment,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )

    async def run(self, program: str, *arguments: str) -> Ended:
        """Run another program, such as a shell in which the command stands."""
        return await ended(await self.begin(*arguments, program=program))

    async def loupe(self, *arguments: str | Path, typed: str = "", **variables: str) -> Ended:
        """Run the command with this text on its standard input."""
        return await ended(await self.begin(*arguments, **variables), typed)


async def ended(process: Process, typed: str = "") -> Ended:
    """Wait for the end of the process."""
    try:
        out, err = await asyncio.wait_for(process.communicate(typed.encode()), SECONDS)
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())
