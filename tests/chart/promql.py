"""Find the metrics that the queries of dashboards and rules name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql

from tests.chart.objects import Object, found

VARIABLE = re.compile(r"\$(?:\{\w+(?::\w+)?\}|\w+)|\[\[\w+\]\]")
OF_LABELS = re.compile(r"label_values\((?:(?P<series>.+),\s*)?\w+\)|query_result\((?P<query>.+)\)", re.DOTALL)


def names_in(query: str) -> set[str]:
    """Return the metrics in a query.

    Raise `ValueError` if Prometheus would refuse it. Grafana's variables are allowed.
    """
    names: set[str] = set()

    def visit(node: object) -> bool:
        if isinstance(node, promql.VectorSelector):
            named = [one.value for one in node.matchers.matchers if one.name == "__name__"]
            names.update([node.name] if node.name else named)
        return True

    promql.walk(promql.parse(_filled(query)), visit)
    return names


def in_dashboard(path: Path) -> dict[str, str]:
    """Return a dashboard's queries, by panel or variable."""
    dashboard: Object = json.loads(path.read_text())
    panels = {f"{path.name}: {panel.get('title', '?')}": panel for panel in _panels(dashboard)}
    queries = {
        f"{where}, {target.get('refId')}": target["expr"]
        for where, panel in panels.items()
        for target in panel.get("targets", [])
    }
    for variable in dashboard.get("templating", {}).get("list", []):
        if series := _of_variable(variable):
            queries[f"{path.name}: ${variable['name']}"] = series
    return queries


def in_rules(rules: Any) -> dict[str, str]:
    """Return the queries of all rules in these groups, by name."""
    return {
        rule.get("alert") or rule["record"]: rule["expr"]
        for groups in found(rules, "groups")
        for group in groups
        for rule in group["rules"]
    }


def recorded(rules: Any) -> set[str]:
    return {name for name in found(rules, "record") if isinstance(name, str)}


def exported(page: str) -> set[str]:
    """Return the names of all series on a metrics page, with those of families that have no sample yet."""
    suffixes = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}
    names: set[str] = set()
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            names |= {f"{name}{suffix}" for suffix in suffixes.get(kind, ("",))}
    return names


def _filled(query: str) -> str:
    """Replace Grafana's variables: a duration in brackets, text in quotes, a number elsewhere."""
    timed = re.sub(r"\[(.*?)\]", lambda match: f"[{VARIABLE.sub('5m', match[1])}]", query)
    parts = re.split(r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')", timed)
    return "".join(part if index % 2 else VARIABLE.sub("1", part) for index, part in enumerate(parts))


def _panels(inner: Object) -> Iterator[Object]:
    for panel in inner.get("panels", []):
        yield panel
        yield from _panels(panel)


def _of_variable(variable: Object) -> str:
    query = variable.get("query", "")
    text: str = query.get("query", "") if isinstance(query, dict) else query
    match = OF_LABELS.fullmatch(text.strip()) if variable.get("type") == "query" else None
    return (match["series"] or match["query"] or "") if match else ""
