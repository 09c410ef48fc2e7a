"""Secrets that the chart makes up."""

from collections.abc import Iterable

from tests.chart.checks.secrets import plain
from tests.chart.objects import Object

KEEP = "helm.sh/resource-policy"


def masked(objects: Iterable[Object]) -> list[Object]:
    """Without what is made up anew each time."""
    return [
        one | {"data": sorted(one["data"])} if one["kind"] == "Secret" and "data" in one else one
        for one in objects
    ]


def made_up(objects: Iterable[Object]) -> dict[str, dict[str, str]]:
    """Values by key, by Secret."""
    return {one["metadata"]["name"]: plain(one) for one in objects if one["kind"] == "Secret"}
