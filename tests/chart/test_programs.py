"""Run the chart's own programs against real servers, with the commands in the rendered objects."""

import re

from loupe_local.stack import Stack
from tests.chart.helm import DEFAULT, release
from tests.chart.programs import argv_of, container_of, run


async def test_the_trial_upscales_a_picture(stack: Stack) -> None:
    container = container_of(release(DEFAULT), "test")
    where = {"API_URL": stack.api, "OBJECTS_URL": f"http://{stack.stores.s3.endpoint}"}
    admin = {f"LOUPE_{name.upper()}": value for name, value in stack.services.admin.items()}
    address = {"TEST_ADDRESS": "helm-*@example.com"}

    output = await run(argv_of(container), where | admin | address)

    assert re.search(r"a picture was upscaled to \(128, 128\) in [\d.]+ s", output)
