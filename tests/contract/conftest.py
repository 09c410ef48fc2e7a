"""Clients of the running system."""

import os
import subprocess
from collections.abc import AsyncGenerator

import httpx2
import pytest

from loupe_local.stack import Stack
from loupe_local.state import REPOSITORY
from tests.client import client_of
from tests.gateway.harness import People

GENERATORS = (".loupe/generators/ready", ".loupe/node/ready")


@pytest.fixture(scope="session")
def people(stack: Stack) -> People:
    return People(stack)


@pytest.fixture(scope="session")
async def jane(stack: Stack) -> AsyncGenerator[httpx2.AsyncClient]:
    """Yield a client of Jane, who is on the professional plan like Omar."""
    async with client_of(stack, stack.token) as client:
        yield client


@pytest.fixture(scope="session")
async def omar(stack: Stack) -> AsyncGenerator[httpx2.AsyncClient]:
    async with client_of(stack, stack.other_token) as client:
        yield client


@pytest.fixture(scope="session")
async def anyone(stack: Stack) -> AsyncGenerator[httpx2.AsyncClient]:
    async with client_of(stack) as client:
        yield client


@pytest.fixture(scope="session")
def generators() -> None:
    """Install the generators, if that has not been done yet."""
    own = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    make = subprocess.run(
        ["make", "--silent", *GENERATORS],
        cwd=REPOSITORY,
        env=own,
        capture_output=True,
        text=True,
        check=False,
    )
    if make.returncode:
        pytest.fail(
            "The generators of clients are not installed. They come from PyPI and npm, so that "
            f"`make {' '.join(GENERATORS)}` needs a network, but only once:\n{make.stdout}{make.stderr}",
            pytrace=False,
        )
