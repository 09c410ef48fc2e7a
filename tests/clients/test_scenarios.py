"""Every client meets the faults of scenarios.yaml with the same end, and charges nothing twice."""

import asyncio
import json
import shutil
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from loupe_client import AsyncLoupe, Loupe, errors
from loupe_client.command import exits
from loupe_client.sources import is_link
from loupe_local.stack import Stack
from tests.client import pause_worker
from tests.clients.conftest import SIZE, size_of
from tests.clients.front import front
from tests.clients.node_project import NodeProject
from tests.clients.shell import Shell
from tests.gateway.harness import People, Person
from tests.outbound.servers import answer, host
from tests.polling import until

SCENARIOS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "scenarios.yaml").read_text())
RESULT = "result.jpg"
PROGRAM = Path(__file__).parent / "typescript" / "scenario.mjs"
Client = Callable[[str, Shell, str], Coroutine[Any, Any, int]]
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


@dataclass(frozen=True)
class Attempt:
    """One client that upscales one picture for one user, in a folder of its own."""

    client: Client
    person: Person
    shell: Shell

    @property
    def name(self) -> str:
        return self.client.__name__

    async def end(self, url: str, picture: str) -> tuple[int, errors.LoupeError | None]:
        """Return the exit code, and the error if there is one."""
        try:
            return await self.client(url, self.shell, picture), None
        except errors.LoupeError as error:
            return exits.code_of(error), error


async def happen(step: str, attempts: Sequence[Attempt], people: People, stack: Stack) -> None:
    """Do what a scenario names to the users or to the system."""
    if step == "kill_worker":
        await stack.stores.supervisor.kill("inference")
        await stack.stores.supervisor.restart("inference")
    elif step == "restart_gateway":
        await stack.stores.supervisor.restart("gateway")
    for person in [attempt.person for attempt in attempts]:
        if step == "revoke_token":
            async with AsyncLoupe(stack.api, person.token) as client:
                await client.account.logout()
        elif step == "use_up_quota":
            await people.operator.set_quota(person.email, 0)


async def interrupted(
    steps: Sequence[str], attempts: Sequence[Attempt], people: People, stack: Stack
) -> None:
    """Do what happens while all clients wait. The worker is paused until it is done."""
    with pause_worker(stack):
        await until(lambda: are_accepted(attempts, stack), 60)
        for step in steps:
            await happen(step, attempts, people, stack)


async def are_accepted(attempts: Sequence[Attempt], stack: Stack) -> bool:
    """Return whether each user has an image that has not begun."""
    for attempt in attempts:
        async with AsyncLoupe(stack.api, attempt.person.token) as client:
            if not [image async for image in client.images.list(status="pending")]:
                return False
    return True


async def charged(people: People, person: Person) -> int:
    """Return how many images the ledger charges for this month."""
    return sum(entry.change for entry in (await people.operator.read_ledger(person.email)).entries)


async def new_persons(people: People) -> list[Person]:
    """Return a new user for each client."""
    return list(await asyncio.gather(*(people.new("professional") for _ in range(4))))


@pytest.fixture(scope="module")
async def persons(people: People) -> list[Person]:
    return await new_persons(people)


@pytest.fixture
async def attempts(
    scenario: dict[str, Any],
    people: People,
    persons: list[Person],
    project: NodeProject,
    stack: Stack,
    photo_file: Path,
    tmp_path: Path,
) -> list[Attempt]:
    """Return an attempt of each client. Users that no other scenario can use again are new."""
    if "before" in scenario or "revoke_token" in scenario.get("meanwhile", ()):
        persons = await new_persons(people)
    made = list[Attempt]()
    for client, person in zip(
        (synchronous, asynchronous, command, typescript(project)), persons, strict=True
    ):
        folder = tmp_path / client.__name__
        folder.mkdir()
        (folder / "photo.jpg").write_bytes(photo_file.read_bytes())
        (folder / "broken.jpg").write_bytes(photo_file.read_bytes()[:300])
        variables = {"LOUPE_URL": stack.api, "LOUPE_TOKEN": person.token, "HOME": str(tmp_path / "home")}
        made.append(Attempt(client, person, Shell(folder, variables)))
    return made


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario["name"])
async def test_a_scenario_ends_as_it_must_with_each_client(
    scenario: dict[str, Any], attempts: list[Attempt], stack: Stack, people: People, photo_file: Path
) -> None:
    before = [await charged(people, each.person) for each in attempts]
    if step := scenario.get("before"):
        await happen(step, attempts, people, stack)

    port, picture = int(stack.api.rpartition(":")[2]), scenario.get("picture", "photo.jpg")
    async with AsyncExitStack() as servers:
        link = (await servers.enter_async_context(host(answer(photo_file.read_bytes())))).url
        fronts = [front(port, scenario.get("faults", ()), scenario.get("away_seconds", 0)) for _ in attempts]
        urls = [await servers.enter_async_context(each) for each in fronts]
        run = asyncio.gather(
            *(
                each.end(url, link if picture == "link" else picture)
                for each, url in zip(attempts, urls, strict=True)
            )
        )
        if steps := scenario.get("meanwhile"):
            await interrupted(steps, attempts, people, stack)
        ends = await run

    for each, charged_before, end in zip(attempts, before, ends, strict=True):
        check_end(each, *end, scenario.get("error"))
        assert await charged(people, each.person) - charged_before == scenario["charged"], each.name


def check_end(
    attempt: Attempt, code: int, error: errors.LoupeError | None, expected: dict[str, Any] | None
) -> None:
    """Check exit code, class of the error, and that the result is there or nothing is."""
    assert code == (expected["exit"] if expected else 0), (attempt.name, error)
    if attempt.client is not command:
        kind = getattr(errors, expected["class"]) if expected else type(None)
        assert isinstance(error, kind), (attempt.name, error)
    result = attempt.shell.folder / RESULT
    if expected:
        assert not result.exists(), attempt.name
    else:
        assert size_of(result) == (SIZE[0] * 2, SIZE[1] * 2), attempt.name
