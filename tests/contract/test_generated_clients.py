"""Clients that four generators make of /openapi.json, by the commands and programs of docs/api.md.

The generators are installed to .loupe when the first test needs them, which takes a network once.
"""

import asyncio
import os
import re
import shutil
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from loupe_local.stack import Stack
from tests.pixels import encoded

REPOSITORY = Path(__file__).parents[2]
CHECKS = Path(__file__).parent / "generators"
PAGE = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## Generate a client\n")[2].partition("\n## ")[0]
NODE, PYTHON = REPOSITORY / ".loupe/node", REPOSITORY / ".loupe/generators"
SECONDS = 60
NOT_AN_IMAGE = b"This is a text, whatever its name says."


@pytest.fixture
async def folder(generators: None, stack: Stack, photos: Path, tmp_path: Path) -> Path:
    """Return a folder with openapi.json, and with a good and a bad photo.jpg in folders of their own."""
    async with httpx2.AsyncClient(base_url=stack.api) as client:
        (tmp_path / "openapi.json").write_bytes((await client.get("/openapi.json")).content)
    photo = Image.open(photos / "chelsea.png").convert("RGB").crop((100, 60, 160, 100))
    for name, data in (("good", encoded(photo)), ("bad", NOT_AN_IMAGE)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "photo.jpg").write_bytes(data)
    return tmp_path


def part_of_page(generator: str) -> tuple[list[str], str]:
    """Return the commands and the program of a generator. Commands that install something are left out."""
    parts = re.findall(r"```sh\n([^`]*)```\s+```(?:python|ts)\n(.*?)```", SECTION, re.DOTALL)
    [(commands, program)] = [part for part in parts if generator in part[0]]
    return [line for line in commands.splitlines() if not re.match(r"(pip|npm) install", line)], program


async def run(command: Sequence[str | Path], cwd: Path, stack: Stack) -> tuple[int, str]:
    """Run a command of a user who has only the generators. Return exit status and output."""
    environment = {
        "PATH": os.pathsep.join((f"{PYTHON}/bin", f"{NODE}/bin", "/usr/bin", "/bin")),
        "HOME": str(cwd),
        "PYTHONPATH": str(cwd.parent),
        "API": stack.api,
        "TOKEN": stack.token,
        "no_proxy": "*",
        "npm_config_update_notifier": "false",
    }
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, env=environment, stdout=PIPE, stderr=STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    return process.returncode or 0, output.decode()


async def generate(commands: Sequence[str], folder: Path, stack: Stack) -> str:
    """Run the page's commands. Return what they print."""
    printed = ""
    for command in commands:
        status, output = await run(["bash", "-c", command], folder, stack)
        assert status == 0, f"{command}\n{output}"
        printed += output
    return printed


async def check_calls(program: Sequence[str | Path], folder: Path, stack: Stack) -> None:
    """Run a program with a good and with a bad photo."""
    good, uploaded = await run(program, folder / "good", stack)
    bad, refused = await run(program, folder / "bad", stack)

    assert good == 0, uploaded
    [image_id] = re.findall(r"^uploaded (\d+) pending$", uploaded, re.MULTILINE)
    assert re.search(rf"^listed {image_id} (pending|processing|completed)$", uploaded, re.MULTILINE), uploaded
    assert bad != 0, refused
    assert "validation_failed: Validation failed" in refused, refused
    assert re.search(r"""\W*image\W+\[\s*['"]The image must be""", refused), refused


async def test_a_client_of_openapi_python_client(folder: Path, stack: Stack) -> None:
    commands, program = part_of_page("openapi-python-client generate")
    (folder / "program.py").write_text(program)

    printed = await generate(commands, folder, stack)
    status, checked = await run(["python", CHECKS / "check_openapi_python_client.py"], folder, stack)

    assert not re.search("warning|error|unable", printed, re.IGNORECASE), printed
    assert status == 0, checked
    await check_calls(["python", folder / "program.py"], folder, stack)


async def test_models_of_datamodel_code_generator(folder: Path, stack: Stack) -> None:
    commands, program = part_of_page("datamodel-codegen")
    (folder / "program.py").write_text(program)

    printed = await generate(commands, folder, stack)
    status, checked = await run(["python", CHECKS / "check_datamodel_code_generator.py"], folder, stack)

    assert not printed
    assert status == 0, checked
    await check_calls(["python", folder / "program.py"], folder, stack)


@pytest.mark.parametrize("generator", ["npx openapi-ts", "npx openapi-typescript"])
async def test_a_client_of_a_generator_for_typescript(folder: Path, stack: Stack, generator: str) -> None:
    commands, program = part_of_page(generator)
    (folder / "program.ts").write_text(program)
    (folder / "package.json").write_text('{"type": "module"}')
    shutil.copytree(NODE / "node_modules", folder / "node_modules", symlinks=True)

    assert [command.split()[:2] for command in commands[-2:]] == [["npx", "tsc"], ["node", "program.js"]]
    printed = await generate(commands[:-1], folder, stack)

    assert not re.search("warn|error", printed, re.IGNORECASE), printed
    await check_calls(["node", folder / "program.js"], folder, stack)
