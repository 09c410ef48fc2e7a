"""Each alert has a valid query, a severity, a summary and a runbook."""

import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from loupe_local.state import REPOSITORY

RULES = sorted((REPOSITORY / "deploy/helm/loupe/rules").glob("*.yaml"))
PAGES = REPOSITORY / "docs" / "runbooks"
SECTIONS = ["## What it means", "## Where to look", "## What to do"]
GROUPS: list[dict[str, Any]] = [
    group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]
]
ALL_RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for rule in ALL_RULES if "alert" in rule}


def page_of(name: str) -> Path:
    return REPOSITORY / ALERTS[name]["annotations"]["runbook_url"]


def test_names_of_groups_and_rules_are_unique() -> None:
    groups = [group["name"] for group in GROUPS]
    names = [rule.get("alert") or rule["record"] for rule in ALL_RULES]

    assert len(set(groups)) == len(groups) >= 3
    assert len(set(names)) == len(names) == len(ALL_RULES)


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_prometheus_accepts_each_rule(rule: dict[str, Any]) -> None:
    kind = {"alert", "for", "labels", "annotations"} if "alert" in rule else {"record"}

    assert set(rule) <= kind | {"expr"}
    assert promql_parser.parse(rule["expr"])
    assert promql_parser.parse_duration(rule.get("for", "1m"))


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_a_severity_a_summary_and_a_runbook(name: str) -> None:
    alert = ALERTS[name]

    assert name.startswith("Loupe")
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert len(alert["annotations"]["summary"]) < 100


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_uses_only_labels_of_its_query(name: str) -> None:
    alert = ALERTS[name]
    used = set(re.findall(r"\$labels\.(\w+)", str(alert["annotations"])))
    available = {
        label for group in re.findall(r"by \(([^)]*)\)", alert["expr"]) for label in group.split(", ")
    }
    available |= set(re.findall(r', "(\w+)", "\w+", "", ""\)', alert["expr"]))
    if ":" in alert["expr"]:  # a recorded series has only the namespace
        available |= {"namespace"}
    if "by (" not in alert["expr"]:
        available |= {"gpu_uuid"}

    assert used <= available


@pytest.mark.parametrize("name", ALERTS)
def test_the_runbook_names_its_alert_and_has_all_sections(name: str) -> None:
    page = page_of(name).read_text()

    assert f"`{name}`" in page.splitlines()[2]
    assert [line for line in page.splitlines() if line.startswith("## ")] == SECTIONS
    for section in SECTIONS:
        assert len(page.partition(section)[2].partition("\n## ")[0].strip()) > 60


def test_every_runbook_belongs_to_an_alert_and_stands_in_the_index() -> None:
    index = (PAGES / "README.md").read_text()

    linked = dict(re.findall(r"^\| `(\w+)` \| \[[\w-]+\]\(([\w-]+\.md)\) \|$", index, re.MULTILINE))

    assert linked == {name: page_of(name).name for name in ALERTS}
    assert {page_of(name) for name in ALERTS} == set(PAGES.glob("*.md")) - {PAGES / "README.md"}


def test_links_in_runbooks_exist() -> None:
    for page in PAGES.glob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_commands_in_runbooks_exist() -> None:
    commands = {
        found
        for page in PAGES.glob("*.md")
        for found in re.findall(r"`loupe-admin (\w+ \w+)", page.read_text())
    }

    ours = {"dead list", "dead redrive", "keys rotate", "endings replay", "objects check"}
    assert commands == ours | {"webhooks list", "webhooks redrive"}
