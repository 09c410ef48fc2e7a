"""Small pictures, users with some quota, and clients of the running system."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from PIL import Image

from loupe_client import AsyncLoupe
from loupe_local.stack import Stack
from tests.clients import node_project
from tests.clients.node_project import NodeProject
from tests.clients.shell import Shell
from tests.gateway.harness import People, Person
from tests.pixels import encoded

SIZE = (48, 32)


@pytest.fixture(scope="session")
def people(stack: Stack) -> People:
    return People(stack)


@pytest.fixture(scope="session")
def photo(photos: Path) -> Image.Image:
    """A small part of a real photo."""
    return Image.open(photos / "chelsea.png").convert("RGB").crop((100, 60, 100 + SIZE[0], 60 + SIZE[1]))


@pytest.fixture
def photo_file(photo: Image.Image, tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(photo))
    return path


@pytest.fixture
async def loupe(stack: Stack) -> AsyncGenerator[AsyncLoupe]:
    """Yield the client of Jane."""
    async with AsyncLoupe(stack.api, stack.token) as client:
        yield client


@pytest.fixture
async def person(people: People) -> Person:
    """A new user whose images nobody else makes."""
    return await people.new("professional")


@pytest.fixture
async def own(stack: Stack, person: Person) -> AsyncGenerator[AsyncLoupe]:
    """Yield the client of that user."""
    async with AsyncLoupe(stack.api, person.token) as client:
        yield client


@pytest.fixture
def shell(stack: Stack, person: Person, tmp_path: Path) -> Shell:
    """The shell of that user, in a folder of its own."""
    variables = {"LOUPE_URL": stack.api, "LOUPE_TOKEN": person.token, "HOME": str(tmp_path / "home")}
    return Shell(tmp_path, variables)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> NodeProject:
    """Return a folder into which the TypeScript client is installed."""
    try:
        package = node_project.build()
    except RuntimeError as error:
        pytest.fail(str(error), pytrace=False)
    return node_project.install(package, tmp_path_factory.mktemp("node"))


async def used(client: AsyncLoupe) -> int:
    """Return how many images the user has used this month."""
    return (await client.account.usage()).image_uploads.used


def size_of(path: Path) -> tuple[int, int]:
    """Return the size of a picture that can be decoded."""
    with Image.open(path) as picture:
        picture.load()
        return picture.size
