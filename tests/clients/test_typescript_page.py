"""Each program of docs/sdk-typescript.md is right for the compiler, and runs as it is printed."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook

from loupe_local.stack import Stack
from loupe_local.state import REPOSITORY
from tests.clients.conftest import SIZE, size_of
from tests.clients.node_project import BUILT, NodeProject, environment
from tests.gateway.harness import Person

PAGES = ("docs/sdk-typescript.md", "clients/typescript/README.md")
PROGRAMS = [
    program
    for page in PAGES
    for program in re.findall(r"```ts\n(.*?)```", (REPOSITORY / page).read_text(encoding="utf-8"), re.DOTALL)
]
OF_PAGES = [program for program in PROGRAMS if "document." in program or "(file," in program]
OF_SERVERS = [program for program in PROGRAMS if ".listen(" in program]
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
COMPILER = ("--strict", "--noEmitOnError", "--target", "es2022", "--module", "nodenext", "--types", "node")


@pytest.fixture(scope="module")
async def compiled(project: NodeProject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with each program, compiled, under its number."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copytree(project.folder / "node_modules", folder / "node_modules")
    shutil.copytree(BUILT / "node_modules" / "@types", folder / "node_modules" / "@types")
    (folder / "node_modules" / "undici-types").symlink_to(BUILT / "node_modules" / "undici-types")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "file.d.ts").write_text("declare const file: File;\n")
    names = [f"program-{number}.ts" for number in range(len(PROGRAMS))]
    for name, program in zip(names, PROGRAMS, strict=True):
        (folder / name).write_text(program)
    compiler = BUILT / "node_modules" / "typescript" / "bin" / "tsc"
    status, output = await NodeProject(folder).run("node", compiler, *COMPILER, "file.d.ts", *names)
    assert status == 0, output
    return folder


@pytest.mark.parametrize("program", [each for each in PROGRAMS if each not in [*OF_PAGES, *OF_SERVERS]])
async def test_a_program_of_the_page_runs_as_it_is_printed(
    compiled: Path, stack: Stack, person: Person, photo_file: Path, tmp_path: Path, program: str
) -> None:
    folder = NodeProject(tmp_path)
    variables = {"LOUPE_URL": stack.api, "LOUPE_TOKEN": person.token}

    status, output = await folder.run("node", script_of(program, compiled), **variables)

    assert status == 0, output
    for printed, text in (
        ("errors.image", "must be"),
        ("batch.status", "completed 2"),
        ("event.type", "image."),
    ):
        assert printed not in program or text in output
    if ".save(" in program:
        assert size_of(tmp_path / "photo@4x.jpg") == (SIZE[0] * 4, SIZE[1] * 4)


async def test_the_server_of_the_page_accepts_signed_webhooks_alone(compiled: Path, tmp_path: Path) -> None:
    [program] = OF_SERVERS
    now, body = datetime.now(UTC), json.dumps({"type": "image.completed", "data": {"id": 42}})
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp()))}
    headers["webhook-signature"] = Webhook(SECRET).sign("msg_1", now, body)

    async with serving(script_of(program, compiled), tmp_path) as port, httpx2.AsyncClient() as client:
        signed = await client.post(f"http://127.0.0.1:{port}/", content=body, headers=headers)
        changed = await client.post(f"http://127.0.0.1:{port}/", content=body + " ", headers=headers)

    assert (signed.status_code, changed.status_code) == (204, 400)


def script_of(program: str, compiled: Path) -> Path:
    return compiled / f"program-{PROGRAMS.index(program)}.js"


@asynccontextmanager
async def serving(script: Path, folder: Path) -> AsyncGenerator[int]:
    """Run a server of the page on a free port instead of its own. Yield the port."""
    script.write_text(
        script.read_text().replace("listen(8000", "listen(0").replace('"listening"', "server.address().port")
    )
    process = await asyncio.create_subprocess_exec(
        "node",
        script,
        cwd=folder,
        env=environment(folder) | {"WEBHOOK_SECRET": SECRET},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    try:
        yield int(await asyncio.wait_for(process.stdout.readline(), 30))
    finally:
        process.kill()
        await process.wait()
