"""Clients of the running system."""

from collections.abc import AsyncGenerator

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of
from tests.gateway.harness import People


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
