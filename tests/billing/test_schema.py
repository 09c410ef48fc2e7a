"""The migrations lead to what the tables say."""

import os
import sys

from common.db import Sessions
from loupe_local.process import output_of
from loupe_local.state import REPOSITORY
from loupe_local.stores import Stores


async def test_alembic_finds_no_difference(schema: Sessions, stores: Stores) -> None:
    folder = REPOSITORY / "services" / "billing"
    command = [sys.executable, "-m", "alembic", "--config", str(folder / "pyproject.toml"), "check"]

    status, output = await output_of(
        command, env={**os.environ, "BILLING_DATABASE_URL": stores.database_url("billing")}, cwd=folder
    )

    assert status == 0, output
    assert "No new upgrade operations detected" in output
