"""Dashboards work in any Grafana: no fixed data source, no panel twice, and a description for each panel."""

import json
import re
from itertools import combinations
from typing import Any

import pytest

from loupe_local.state import REPOSITORY
from tests.chart import promql
from tests.chart.objects import found

FOLDER = REPOSITORY / "deploy/helm/loupe/dashboards"
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))
}
GPU = re.compile(r"nv_gpu_|DCGM_")


def panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARDS[name]["panels"] if panel["type"] != "row"]


def queries(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def test_the_two_dashboards_have_different_ids_and_titles() -> None:
    assert set(DASHBOARDS) == {"service-health", "gpu-and-queue"}
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == 2
    assert {dashboard["title"] for dashboard in DASHBOARDS.values()} == {
        "Loupe / service health",
        "Loupe / GPU and queue",
    }


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_are_unique_and_do_not_overlap(name: str) -> None:
    every = DASHBOARDS[name]["panels"]
    titles = [panel["title"] for panel in panels(name)]

    assert len({panel["id"] for panel in every}) == len(every)
    assert len(set(titles)) >= len(titles) - 1  # "Work to do" exists twice: as a number and over time
    for one, other in combinations([panel["gridPos"] for panel in every], 2):
        assert one["x"] + one["w"] <= 24
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        ), (one, other)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_each_panel_has_a_description_and_a_unit(name: str) -> None:
    for panel in panels(name):
        assert len(panel["description"]) > 10, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_reader_chooses_the_data_source(name: str) -> None:
    named = [one["uid"] for one in found(DASHBOARDS[name], "datasource")]

    assert len(named) > len(panels(name))
    assert set(named) == {"${datasource}"}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_each_query_is_valid_and_uses_existing_variables(name: str) -> None:
    variables = {variable["name"] for variable in DASHBOARDS[name]["templating"]["list"]}
    used: set[str] = set()

    for panel in panels(name):
        for query in queries(panel):
            assert promql.names_in(query)
            used |= set(re.findall(r"\$(?!__)(\w+)", query))

    assert used | {"datasource"} == variables


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_that_need_a_gpu_say_so(name: str) -> None:
    for panel in panels(name):
        needs_one = any(GPU.search(query) for query in queries(panel))

        assert needs_one == panel["description"].startswith("Exported only with a GPU."), panel["title"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_gauges_that_every_replica_exports_are_not_added_up(name: str) -> None:
    """Each replica of a service measures the same rows of the same database."""
    same = re.compile(
        r"loupe_(images_unfinished|images_oldest|queued_work|dead_messages|outbox_|consumer_|quota_res|quota_over)"
    )

    for panel in panels(name):
        for query in queries(panel):
            if same.search(query) and "rate(" not in query:
                assert query.startswith("max"), query
