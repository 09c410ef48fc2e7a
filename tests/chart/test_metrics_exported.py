"""Every metric in a dashboard, alert or scaler exists.

The running system exports it, or another exporter that is listed here.
"""

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.chart import promql
from tests.chart.helm import CHART, DEFAULT, load, release
from tests.chart.objects import found

OTHERS = {
    "dcgm-exporter": {"DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"},
    "kubelet": {
        "kubelet_volume_stats_available_bytes",
        "kubelet_volume_stats_capacity_bytes",
        "kubelet_volume_stats_inodes",
        "kubelet_volume_stats_inodes_free",
    },
    "kube-state-metrics": {"kube_cronjob_status_last_successful_time", "kube_cronjob_created"},
    "Triton on a GPU": {
        "nv_gpu_utilization",
        "nv_gpu_memory_used_bytes",
        "nv_gpu_memory_total_bytes",
        "nv_gpu_power_usage",
        "nv_gpu_power_limit",
    },
}
"""Metrics that none of our processes exports, by exporter."""
DASHBOARDS = sorted(CHART.glob("dashboards/*.json"))
RULES = sorted(CHART.glob("rules/*.yaml"))


def queries() -> dict[str, str]:
    of_dashboards = {
        where: query for path in DASHBOARDS for where, query in promql.in_dashboard(path).items()
    }
    of_rules = {
        f"{path.name}: {name}": query
        for path in RULES
        for name, query in promql.in_rules(load(path.read_text())).items()
    }
    return of_dashboards | of_rules | of_scaler()


def of_scaler() -> dict[str, str]:
    """Return the metrics that KEDA reads directly from a metrics page."""
    scalers = release(DEFAULT, inference={"keda": {"enabled": True}}).of("ScaledObject")
    return {f"scaler: {name}": name for one in scalers for name in found(one, "valueLocation")}


def recorded() -> set[str]:
    return {name for path in RULES for name in promql.recorded(load(path.read_text()))}


@pytest.fixture(scope="module")
def exported(stack: Stack) -> set[str]:
    """Return the names of all series of the stack's processes that export Prometheus' format."""
    pages = {
        name: url for name, url in (stack.services.metrics | stack.stores.metrics).items() if name != "nats"
    }
    return {name for url in pages.values() for name in promql.exported(httpx2.get(url).text)}


def test_there_are_dashboards_and_rules() -> None:
    assert DASHBOARDS
    assert RULES
    assert len(of_scaler()) == 1
    assert len(queries()) > len(DASHBOARDS) + len(RULES)


def test_each_queried_metric_is_exported(exported: set[str]) -> None:
    known = exported | recorded() | {name for names in OTHERS.values() for name in names}

    missing = {
        where: names for where, query in queries().items() if (names := promql.names_in(query) - known)
    }

    assert missing == {}


def test_a_listed_metric_of_another_exporter_is_queried_and_not_ours(exported: set[str]) -> None:
    queried = {name for query in queries().values() for name in promql.names_in(query)}

    listed = {name for names in OTHERS.values() for name in names}

    assert listed - queried == set()
    assert listed & exported == set()


def test_a_metric_that_nobody_exports_is_found(exported: set[str]) -> None:
    assert promql.names_in("rate(loupe_mesages_total[5m])") - exported == {"loupe_mesages_total"}
    assert promql.names_in("rate(loupe_messages_total[5m])") - exported == set()
