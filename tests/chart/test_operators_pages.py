"""Every command, object, value, page and test that the operators' pages name exists."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from common import security_events
from gateway.admin import build_parser
from loupe_local.service_names import NAMES
from tests.chart.helm import CHART, DEFAULT, PROFILES, REPOSITORY, load, rendered
from tests.chart.installation import upgraded
from tests.chart.objects import Release
from tests.chart.restoring import restoring

PAGE_NAMES = ("install", "operations", "backup", "security", "scaling", "ingress", "observability")
PAGES = [REPOSITORY / "docs" / f"{name}.md" for name in PAGE_NAMES]
COMMAND = re.compile(r"loupe-admin ((?:[a-z]+ )?[a-z]+(?:-[a-z]+)*(?: (?:--)?[\w@.-]+)*)")
OBJECT = re.compile(r"\bloupe-[a-z]+(?:-[a-z]+)*(?:-0\b)?")
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)")
TEST = re.compile(r"`(tests/[\w/.]+)`")
COMPONENTS = "|".join((*NAMES, "postgresql", "nats", "objectStore", "metrics", "mtls", "operator"))
VALUE = re.compile(rf"`((?:{COMPONENTS})(?:\.\w+)+)`")
PRODUCTION = (CHART / "values-production.yaml").read_text()
NOT_OURS = {"loupe-admin", "loupe-values", *re.findall(r"existingSecret: ([\w-]+)", PRODUCTION)}


def texts(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for found in pattern.findall(page.read_text()):
            yield page.name, found


@pytest.mark.parametrize(("page", "command"), list(texts(COMMAND)))
def test_a_command_exists(page: str, command: str) -> None:
    assert build_parser().parse_args(command.split())


def test_commands_are_found() -> None:
    found = {command.split()[0] for _, command in texts(COMMAND)}

    assert found == {"plan", "quota", "user", "objects", "endings", "keys", "audit", "first-run", "queue"}


@functools.cache
def upgrade_of_the_default() -> Release:
    """Return what an upgrade renders: hooks are in no installation."""
    return upgraded(DEFAULT, *rendered(DEFAULT).objects)


@pytest.mark.parametrize(("page", "name"), sorted(set(texts(OBJECT))))
def test_an_object_of_the_chart_exists(page: str, name: str) -> None:
    releases = [*(rendered(profile) for profile in PROFILES), upgrade_of_the_default(), restoring()]
    made = {one["metadata"]["name"] for each in releases for one in each.objects}

    assert name in NOT_OURS or name.removesuffix("-0") in made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_pages_and_named_tests_exist(page: Path) -> None:
    text = page.read_text()

    for target, anchor in LINK.findall(text):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), anchor
    for test in TEST.findall(text):
        assert (REPOSITORY / test).exists(), test


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("page", "value"), sorted(one for one in set(texts(VALUE)) if one[1] not in security_events.EVENTS)
)
def test_a_value_of_the_chart_exists(page: str, value: str) -> None:
    found = load((CHART / "values.yaml").read_text())
    service, is_setting, setting = value.partition(".settings.")
    if is_setting:
        settings = (REPOSITORY / "services" / service / service / "settings.py").read_text()
        assert re.search(rf"^    {setting}: ", settings, re.MULTILINE)
        return
    for key in value.split("."):
        assert key in found, value
        found = found[key]
