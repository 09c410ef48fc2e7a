"""The Secrets that the chart generates."""

from collections.abc import Iterable

from tests.chart.checks.secrets import plain
from tests.chart.objects import Object


def masked(objects: Iterable[Object]) -> list[Object]:
    """Return the objects without the values that are generated anew each time."""
    return [
        one | {"data": sorted(one["data"])} if one["kind"] == "Secret" and "data" in one else one
        for one in objects
    ]


def generated(objects: Iterable[Object]) -> dict[str, dict[str, str]]:
    """Return the generated values by Secret and key."""
    return {one["metadata"]["name"]: plain(one) for one in objects if one["kind"] == "Secret"}
