"""Dashboards work in any Grafana: they have no fixed data source, and each panel is unique and described."""

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
    all_panels = DASHBOARDS[name]["panels"]
    titles = [panel["title"] for panel in panels(name)]

    assert len({panel["id"] for panel in all_panels}) == len(all_panels)
    assert len(set(titles)) >= len(titles) - 1  # "Work to do" exists twice: as a number and over time
    for first, second in combinations([panel["gridPos"] for panel in all_panels], 2):
        assert first["x"] + first["w"] <= 24
        assert (
            first["x"] + first["w"] <= second["x"]
            or second["x"] + second["w"] <= first["x"]
            or first["y"] + first["h"] <= second["y"]
            or second["y"] + second["h"] <= first["y"]
        ), (first, second)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_each_panel_has_a_description_and_a_unit(name: str) -> None:
    for panel in panels(name):
        assert len(panel["description"]) > 10, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_viewer_of_a_dashboard_chooses_the_data_source(name: str) -> None:
    data_sources = [source["uid"] for source in found(DASHBOARDS[name], "datasource")]

    assert len(data_sources) > len(panels(name))
    assert set(data_sources) == {"${datasource}"}


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
        needs_gpu = any(GPU.search(query) for query in queries(panel))

        assert needs_gpu == panel["description"].startswith("Exported only with a GPU."), panel["title"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_gauges_that_every_replica_exports_are_not_added_up(name: str) -> None:
    """Each replica of a service measures the same rows of the same database."""
    shared = re.compile(
        r"loupe_(images_unfinished|images_oldest|queued_work|dead_messages|outbox_|consumer_|quota_res|quota_over)"
    )

    for panel in panels(name):
        for query in queries(panel):
            if shared.search(query) and "rate(" not in query:
                assert query.startswith("max"), query
