"""A folder to run the blocks of the pages in, and users of each kind."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from loupe_local.stack import Stack
from tests.contract.api_client import CORRUPT
from tests.gateway.harness import People
from tests.pixels import encoded
from tests.snippets.blocks import ROOT

SECONDS = 90
SIZE = (48, 32)


@dataclass(frozen=True, slots=True)
class Desk:
    """A reader's folder with some files, and a shell with the variables of the pages."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    async def run(self, *command: str, **variables: str) -> tuple[int, str]:
        """Return the exit status, and all that the command printed."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, **self.variables, **variables, "PATH": path}
        environment |= {"no_proxy": "*", "NO_PROXY": "*"}
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.folder, env=environment, stdout=PIPE, stderr=STDOUT
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
        except TimeoutError:
            process.kill()
            raise
        assert process.returncode is not None
        return process.returncode, output.decode()


@pytest.fixture(scope="session")
def people(stack: Stack) -> People:
    return People(stack)


@pytest.fixture
def desk(stack: Stack, photos: Path, tmp_path: Path) -> Desk:
    photo = Image.open(photos / "chelsea.png").convert("RGB").crop((100, 60, 100 + SIZE[0], 60 + SIZE[1]))
    (tmp_path / "photo.jpg").write_bytes(encoded(photo))
    (tmp_path / "corrupt.tif").write_bytes(CORRUPT)
    (tmp_path / "text.jpg").write_text("This is no picture.")
    (tmp_path / "large.jpg").write_bytes(bytes(10 << 20 | 1))
    (tmp_path / "huge.jpg").write_bytes(bytes(12 << 20))
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    admin = {f"LOUPE_{name.upper()}": value for name, value in stack.services.admin.items()}
    return Desk(tmp_path, {"API": stack.api, "TOKEN": stack.token, **admin})
