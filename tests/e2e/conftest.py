"""Clients of the running system: two users on the professional plan, and one client without a token."""

from collections.abc import AsyncGenerator

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of


@pytest.fixture(scope="session")
async def jane(stack: Stack) -> AsyncGenerator[httpx2.AsyncClient]:
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
