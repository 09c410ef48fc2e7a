"""An empty folder of a Node user, into which the package of the TypeScript client is installed."""

import asyncio
import fcntl
import os
import subprocess
from asyncio.subprocess import PIPE, STDOUT
from dataclasses import dataclass
from pathlib import Path

from loupe_local.state import REPOSITORY

BUILT = REPOSITORY / ".loupe" / "typescript"
SECONDS = 120


@dataclass(frozen=True)
class NodeProject:
    folder: Path

    async def run(self, *command: str | Path, **variables: str) -> tuple[int, str]:
        """Run a program of Node. Return its exit status and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.folder, env=environment(self.folder) | variables, stdout=PIPE, stderr=STDOUT
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
        except TimeoutError:
            process.kill()
            raise
        return process.returncode or 0, output.decode()


def environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{BUILT / 'bin'}:/usr/bin:/bin",
        "HOME": str(folder),
        "npm_config_update_notifier": "false",
        "NO_PROXY": "*",
    }


def build() -> Path:
    """Build the package if its sources have changed. Return its path. Raise `RuntimeError` if it fails."""
    own = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    with (REPOSITORY / ".loupe" / "typescript.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two processes run tests, and both may need the package
        make = subprocess.run(
            ["make", "--silent", ".loupe/typescript/ready"],
            cwd=REPOSITORY,
            env=own,
            capture_output=True,
            text=True,
            check=False,
        )
    if make.returncode:
        raise RuntimeError(
            "The TypeScript client was not built. Its compiler comes from npm, so that "
            f"`make typescript` needs a network, but only once:\n{make.stdout}{make.stderr}"
        )
    return BUILT / (BUILT / "packed").read_text().strip()


def install(package: Path, folder: Path) -> NodeProject:
    """Install the package into an empty folder, without a network."""
    (folder / "package.json").write_text('{"private": true, "type": "module"}\n')
    command = ["npm", "install", "--offline", "--no-audit", "--no-fund", "--loglevel", "error", str(package)]
    subprocess.run(command, cwd=folder, env=environment(folder), check=True, capture_output=True, text=True)
    return NodeProject(folder)
