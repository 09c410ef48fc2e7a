"""Small pictures, users with some quota, and clients of the running system."""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest
from PIL import Image

from loupe_client import AsyncLoupe
from loupe_local.stack import Stack
from tests.gateway.harness import People
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
def environment(stack: Stack, tmp_path: Path) -> dict[str, str]:
    """The variables of a user's shell, with address and token of Jane."""
    return {"LOUPE_URL": stack.api, "LOUPE_TOKEN": stack.token, "HOME": str(tmp_path / "home")}


Count = Callable[[], int]
