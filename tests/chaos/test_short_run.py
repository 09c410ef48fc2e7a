"""A short run of `make chaos`: one of each fault, some images, and every audit."""

from pathlib import Path

import pytest

from tests.chaos import plugins
from tests.chaos.run import Options, run
from tests.chaos.world import COMPONENTS

OPTIONS = Options(
    seed=1,
    images=30,
    kills=len(COMPONENTS) + 12,
    longest_seconds=4,
    longest_pause_seconds=1,
    seconds_per_kill=1,
    orphan_age_seconds=20,
    with_slow_scenarios=False,
)


@pytest.mark.timeout(OPTIONS.most_seconds)
async def test_whatever_is_killed_no_image_is_lost_wrong_or_charged_twice() -> None:
    outcome = await run(OPTIONS)

    assert outcome.violations == {}, outcome.folder
    assert set(outcome.kills) == set(COMPONENTS)


def test_each_plug_in_is_found_by_its_folder() -> None:
    folder = Path(__file__).parent

    found = {
        "scenarios": plugins.scenarios(),
        "faults": plugins.faults(),
        "audits": plugins.audits(),
    }

    for kind, loaded in found.items():
        assert len(loaded) == len({each.name for each in loaded}) == len([*(folder / kind).glob("[a-z]*.py")])
