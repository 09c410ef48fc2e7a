"""The TypeScript client, as a user gets it: packed, installed into an empty folder, and imported."""

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from loupe_local.stack import Stack
from loupe_local.state import REPOSITORY
from tests.client import pause_worker
from tests.clients.node_project import BUILT, NodeProject
from tests.gateway.harness import PASSWORD, Person

PROGRAMS = Path(__file__).parent / "typescript"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = {
    "type": "image.completed",
    "timestamp": "2026-02-15T12:00:00.000000Z",
    "data": {"id": 42, "status": "completed"},
}


async def passes(project: NodeProject, program: str, **variables: str) -> None:
    """Run the tests of a program. Fail with what they print if one fails."""
    shutil.copytree(PROGRAMS, project.folder, dirs_exist_ok=True)
    status, output = await project.run("node", "--test", "--test-reporter=tap", program, **variables)
    assert status == 0, output
    assert re.search(r"^# pass [1-9]", output, re.MULTILINE), output


@pytest.mark.parametrize("program", ["upscaling.test.mjs", "surface.test.mjs", "faults.test.mjs"])
async def test_the_client_works_with_the_running_system(
    project: NodeProject, stack: Stack, person: Person, photo_file: Path, program: str
) -> None:
    account = {"API": stack.api, "TOKEN": person.token, "EMAIL": person.email, "PASSWORD": PASSWORD}
    await passes(project, program, PHOTO=str(photo_file), **account)


async def test_waits_end_while_no_worker_works(
    project: NodeProject, stack: Stack, person: Person, photo_file: Path
) -> None:
    with pause_worker(stack):
        account = {"API": stack.api, "TOKEN": person.token}
        await passes(project, "paused.test.mjs", PHOTO=str(photo_file), **account)


async def test_webhooks_that_another_package_has_signed_are_verified(
    project: NodeProject, tmp_path: Path
) -> None:
    now, body = datetime.now(UTC), json.dumps(EVENT)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", now, body),
    }
    signed = tmp_path / "signed.json"
    signed.write_text(json.dumps({"secret": SECRET, "body": body, "headers": headers}))

    await passes(project, "webhooks.test.mjs", SIGNED=str(signed))


async def test_the_package_has_no_dependency_and_holds_only_what_runs(project: NodeProject) -> None:
    installed = project.folder / "node_modules"
    names = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}

    described = json.loads((installed / "loupe-client" / "package.json").read_text())

    assert {name.split("/")[0] for name in names} == {"loupe-client", ".package-lock.json"}
    assert "dependencies" not in described
    assert described["version"] == (REPOSITORY / "VERSION").read_text().strip()
    assert {name.split("/")[1] for name in names if "/" in name} == {
        "dist",
        "package.json",
        "README.md",
        "LICENSE",
    }


async def test_the_package_is_built_twice_with_the_same_bytes(project: NodeProject, tmp_path: Path) -> None:
    first = BUILT / (BUILT / "packed").read_text().strip()
    for part in ("src", "node_modules", "package.json", "tsconfig.json", "README.md", "LICENSE"):
        (shutil.copytree if (BUILT / part).is_dir() else shutil.copy)(BUILT / part, tmp_path / part)

    again = NodeProject(tmp_path)
    status, output = await again.run("node", "node_modules/typescript/bin/tsc")
    assert status == 0, output
    status, output = await again.run("npm", "pack", "--silent")

    assert status == 0, output
    assert (tmp_path / first.name).read_bytes() == first.read_bytes()


async def test_pages_get_no_part_of_node(project: NodeProject) -> None:
    """The modules that a page loads, which is what a bundler follows, name nothing that only Node has."""
    code = project.folder / "node_modules" / "loupe-client" / "dist"
    of_node = {path.name for path in code.glob("*.js") if re.search(r"node:|process\.", path.read_text())}

    described = json.loads((code.parent / "package.json").read_text())

    assert of_node == {"platform.node.js"}
    assert described["imports"]["#platform"]["default"] == "./dist/platform.browser.js"
    assert exports(code / "platform.node.js") == exports(code / "platform.browser.js")


def exports(module: Path) -> set[str]:
    return set(re.findall(r"(?m)^export (?:async )?(?:function|const) (\w+)", module.read_text()))
