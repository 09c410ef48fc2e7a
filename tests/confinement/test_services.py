"""Services with confined children protect their own memory, and say which walls stand."""

import json

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from common import walls
from confinement.process import ConfinedProcess
from images.formats import parsers
from loupe_local.stack import Stack
from tests.confinement.hostile_code import run_python

CHILDREN = {"inference": "decoding", "images": "parsing"}
WALLS = {
    "parent not dumpable",
    "network namespace",
    "no capabilities",
    "no new privileges",
    "not dumpable",
    "landlock",
    "limits",
    "ends with its parent",
    "seccomp",
}
READER = """
from confinement import privileges
privileges.drop_capabilities()
print(attack(sys.argv[1]))
"""


@pytest.mark.parametrize("service", CHILDREN)
async def test_nobody_of_its_user_reads_a_service_with_confined_children(stack: Stack, service: str) -> None:
    pid = stack.stores.supervisor.pid(service)

    met = {
        name: run_python(READER, f"open('/proc/{pid}/{name}', 'rb').close()") for name in ("environ", "mem")
    }

    assert all(error.startswith("PermissionError") for error in met.values())


@pytest.mark.parametrize("service", CHILDREN)
async def test_a_service_exports_which_walls_stand(stack: Stack, service: str) -> None:
    async with httpx2.AsyncClient() as client:
        page = (await client.get(stack.services.metrics[service])).text

    [family] = [each for each in text_string_to_metric_families(page) if each.name == "loupe_wall_stands"]
    assert {sample.labels["child"] for sample in family.samples} == {CHILDREN[service]}
    assert {sample.labels["wall"] for sample in family.samples} == WALLS
    standing = {sample.labels["wall"] for sample in family.samples if sample.value}
    assert standing >= {"parent not dumpable", "no new privileges", "not dumpable", "limits", "seccomp"}


def test_the_log_says_which_walls_are_missing_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    walls.announce("decoding", {"seccomp": "", "landlock": "Function not implemented"})

    line = capsys.readouterr().out
    assert "some walls around a child process are missing" in line
    assert "landlock: Function not implemented" in line
    assert "standing=seccomp" in line


def test_a_report_comes_before_any_file() -> None:
    child = ConfinedProcess(*parsers.PROGRAM, json.dumps({"largest_pixels": 1}))

    report = child.report()

    assert set(report) == WALLS - {"parent not dumpable"}
    child.end()
