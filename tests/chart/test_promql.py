"""Queries and metrics pages are read correctly."""

import json
from pathlib import Path

import pytest

from tests.chart import promql


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("up", {"up"}),
        ("sum by (le) (rate(a_bucket{job=~\"$job\", up='1'}[$__rate_interval]))", {"a_bucket"}),
        ("a / on (pod) group_left (node) b unless c offset 5m", {"a", "b", "c"}),
        ("max_over_time(rate(a_total[5m])[1h:1m]) > bool 0.5", {"a_total"}),
        ('{__name__="a", pod="b"}', {"a"}),
        ("histogram_quantile($quantile, a:b:rate5m) or vector(0)", {"a:b:rate5m"}),
        ("topk(${top}, a) and absent(b)", {"a", "b"}),
    ],
)
def test_a_query_names_its_metrics(query: str, names: set[str]) -> None:
    assert promql.names_in(query) == names


def test_an_invalid_query_is_refused() -> None:
    with pytest.raises(ValueError, match="unclosed left parenthesis"):
        promql.names_in("sum(rate(a_total[5m])")


def test_all_queries_of_a_dashboard_are_found(tmp_path: Path) -> None:
    graph = {"title": "Rate", "targets": [{"refId": "A", "expr": "rate(a_total[5m])"}]}
    variables = [
        {"name": "pod", "type": "query", "query": {"query": 'label_values(b{job="x"}, pod)'}},
        {"name": "node", "type": "query", "query": "label_values(node)"},
        {"name": "source", "type": "datasource", "query": "prometheus"},
    ]
    dashboard = tmp_path / "one.json"
    dashboard.write_text(
        json.dumps({"panels": [{"title": "Row", "panels": [graph]}], "templating": {"list": variables}})
    )

    found = promql.in_dashboard(dashboard)

    assert found == {"one.json: Rate, A": "rate(a_total[5m])", "one.json: $pod": 'b{job="x"}'}


def test_all_queries_of_rules_are_found() -> None:
    rules = {
        "spec": {
            "groups": [{"name": "g", "rules": [{"alert": "A", "expr": "a"}, {"record": "b:c", "expr": "b"}]}]
        }
    }

    assert promql.in_rules(rules) == {"A": "a", "b:c": "b"}
    assert promql.recorded(rules) == {"b:c"}


def test_a_histogram_is_three_series_and_a_family_without_series_counts() -> None:
    page = "# HELP a_seconds Time\n# TYPE a_seconds histogram\n# TYPE b_total counter\nb_total 1.0\n"

    assert promql.exported(page) == {"a_seconds_bucket", "a_seconds_sum", "a_seconds_count", "b_total"}
