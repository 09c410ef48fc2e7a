"""The migrations lead to what the tables say."""

import os
import sys

from loupe_local.process import output_of
from loupe_local.state import REPOSITORY
from tests.images.images_rig import Rig


async def test_alembic_finds_no_difference(rig: Rig) -> None:
    folder = REPOSITORY / "services" / "images"
    command = [sys.executable, "-m", "alembic", "--config", str(folder / "pyproject.toml"), "check"]

    status, output = await output_of(
        command, env={**os.environ, "IMAGES_DATABASE_URL": rig.settings.database_url}, cwd=folder
    )

    assert status == 0, output
    assert "No new upgrade operations detected" in output
