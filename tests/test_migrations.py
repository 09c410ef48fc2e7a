"""The migrations lead to what the tables say."""

import os
import sys

import pytest

from loupe_local.process import output_of
from loupe_local.services import WITH_DATABASE, services
from loupe_local.state import REPOSITORY
from loupe_local.stores import Stores


@pytest.mark.parametrize("service", WITH_DATABASE)
async def test_alembic_finds_no_difference(stores: Stores, service: str) -> None:
    folder = REPOSITORY / "services" / service
    url = {f"{service.upper()}_DATABASE_URL": stores.database_url(service)}
    command = [sys.executable, "-m", "alembic", "--config", str(folder / "pyproject.toml"), "check"]
    await services(stores, {}).migrate(service)

    status, output = await output_of(command, env=os.environ | url, cwd=folder)

    assert status == 0, output
    assert "No new upgrade operations detected" in output
