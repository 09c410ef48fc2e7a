"""Every client meets the faults of scenarios.yaml with the same end, and charges nothing twice."""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from loupe_client import AsyncLoupe, Loupe, errors
from loupe_client.command import exits
from loupe_client.sources import is_link
from loupe_local.stack import Stack
from tests.clients.conftest import SIZE, size_of, used
from tests.clients.front import front
from tests.clients.node_project import NodeProject
from tests.clients.shell import Shell
from tests.gateway.harness import People, Person
from tests.outbound.servers import answer, host

SCENARIOS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "scenarios.yaml").read_text())
RESULT = "result.jpg"
PROGRAM = Path(__file__).parent / "typescript" / "scenario.mjs"
Client = Callable[[str, Shell, str], Awaitable[int]]
"""Upscales a picture with the server of an address, in a folder. Returns the exit code."""


async def synchronous(url: str, shell: Shell, picture: str) -> int:
    def call() -> None:
        with Loupe(url, shell.variables["LOUPE_TOKEN"]) as loupe:
            if is_link(picture):
                batch = loupe.batches.create([{"image_url": picture, "reference": "it"}], scale=2)
                image = loupe.batches.wait(batch.id).images[0]
                assert image.reference == "it"
                loupe.images.download(image.id, shell.folder / RESULT)
            else:
                loupe.upscale(shell.folder / picture, scale=2).save(shell.folder / RESULT)

    await asyncio.to_thread(call)
    return 0


async def asynchronous(url: str, shell: Shell, picture: str) -> int:
    async with AsyncLoupe(url, shell.variables["LOUPE_TOKEN"]) as loupe:
        if is_link(picture):
            batch = await loupe.batches.create([{"image_url": picture}], scale=2)
            image = (await loupe.batches.wait(batch.id)).images[0]
            await loupe.images.download(image.id, shell.folder / RESULT)
        else:
            await (await loupe.upscale(shell.folder / picture, scale=2)).save(shell.folder / RESULT)
    return 0


async def command(url: str, shell: Shell, picture: str) -> int:
    return (await shell.loupe("upscale", picture, "--scale", "2", "-o", RESULT, LOUPE_URL=url)).code


def typescript(project: NodeProject) -> Client:
    """Return the TypeScript client, whose errors become those of the same name here."""

    async def client(url: str, shell: Shell, picture: str) -> int:
        environment = {**shell.variables, "LOUPE_URL": url, "PICTURE": picture}
        if not is_link(picture):
            environment["PICTURE"] = str(shell.folder / picture)
        environment["RESULT"] = str(shell.folder / RESULT)
        shutil.copy(PROGRAM, project.folder)
        status, output = await project.run("node", PROGRAM.name, **environment)
        assert status == 0, output
        ended = json.loads(output)
        if ended["class"]:
            raise getattr(errors, ended["class"])(output, status=ended["status"], code=ended["code"])
        return 0

    return client


async def prepare(step: str | None, people: People, person: Person, stack: Stack) -> None:
    if step == "revoke_token":
        async with AsyncLoupe(stack.api, person.token) as client:
            await client.account.logout()
    elif step == "use_up_quota":
        await people.operator.set_quota(person.email, 0)


@pytest.fixture(params=[synchronous, asynchronous, command, typescript], ids=lambda client: client.__name__)
def client(request: pytest.FixtureRequest) -> Client:
    return typescript(request.getfixturevalue("project")) if request.param is typescript else request.param


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
async def test_a_scenario_ends_as_it_must(
    scenario: dict[str, Any],
    client: Client,
    stack: Stack,
    people: People,
    person: Person,
    own: AsyncLoupe,
    shell: Shell,
    photo_file: Path,
) -> None:
    (shell.folder / "broken.jpg").write_bytes(photo_file.read_bytes()[:300])
    await prepare(scenario.get("before"), people, person, stack)
    expected = scenario.get("error")

    api_port, faults = int(stack.api.rpartition(":")[2]), scenario.get("faults", ())
    async with front(api_port, faults) as url, host(answer(photo_file.read_bytes())) as server:
        picture = scenario.get("picture", "photo.jpg")
        try:
            code, error = await client(url, shell, server.url if picture == "link" else picture), None
        except errors.LoupeError as caught:
            code, error = exits.code_of(caught), caught

    assert code == (expected["exit"] if expected else 0), error
    if client is not command:
        assert isinstance(error, getattr(errors, expected["class"]) if expected else type(None)), error
    if expected:
        assert not (shell.folder / RESULT).exists()
    else:
        assert size_of(shell.folder / RESULT) == (SIZE[0] * 2, SIZE[1] * 2)
    if "charged" in scenario:
        assert await used(own) == scenario["charged"]
