"""The running system against its own description: thousands of valid and invalid requests.

Each finding is a bug in the description or in the code. schemathesis prints the request that shows it.
"""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from loupe_local.stack import Stack
from tests.gateway.harness import People

CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
REPOSITORY = Path(__file__).parents[2]
FOLLOWED_LINKS = 2
"""The least number of links. Some are followed only after a success, and few of many are chosen."""


async def schemathesis(stack: Stack, folder: Path, **tokens: str) -> tuple[int, str]:
    """Run schemathesis. Return its exit status and output."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "--no-color"]
    process = await asyncio.create_subprocess_exec(
        *command,
        "run",
        f"{stack.api}/openapi.json",
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | tokens,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")


@pytest.mark.timeout(300)
async def test_the_api_does_what_its_description_says(stack: Stack, people: People, tmp_path: Path) -> None:
    ours, spare = await people.new("enterprise"), await people.new("enterprise")

    status, output = await schemathesis(
        stack, tmp_path, LOUPE_TOKEN=ours.token, LOUPE_SPARE_TOKEN=spare.token
    )

    links = re.search(r"API Links: +([0-9]+) covered", output)
    assert status == 0, output
    assert links, output
    assert int(links[1]) >= FOLLOWED_LINKS, output
    assert "Rate limited" not in output, output
