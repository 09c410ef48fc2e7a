"""The address in links, and the headers of files that clients download from the store in the cluster."""

from typing import Any

import pytest

from tests.chart.environment import containers_of, environment
from tests.chart.helm import DEFAULT, release

PUBLISHED = {
    "httpRoute": {"enabled": True, "host": "loupe.example.com", "parentRefs": [{"name": "public"}]},
    "objectStore": {"bundled": {"host": "files.example.com"}},
}


@pytest.mark.parametrize(
    ("values", "address"),
    [
        ({}, "http://localhost:8000"),
        ({"publicUrl": "https://loupe.example.com"}, "https://loupe.example.com"),
        (PUBLISHED, "https://loupe.example.com"),
    ],
)
def test_the_gateway_and_auth_have_the_same_address_for_links(values: dict[str, Any], address: str) -> None:
    chart = release(DEFAULT, **values)

    for component in ("gateway", "auth"):
        (_, container), *_ = containers_of(chart, component)
        assert environment(chart, container)[f"{component.upper()}_PUBLIC_URL"] == address


def test_downloads_are_no_pages_and_name_no_version_of_the_store() -> None:
    routes = {route["spec"]["hostnames"][0]: route for route in release(DEFAULT, **PUBLISHED).of("HTTPRoute")}

    (rule,) = routes["files.example.com"]["spec"]["rules"]
    assert rule["filters"] == [
        {
            "type": "ResponseHeaderModifier",
            "responseHeaderModifier": {
                "set": [
                    {"name": "X-Content-Type-Options", "value": "nosniff"},
                    {"name": "Content-Security-Policy", "value": "sandbox"},
                ],
                "remove": ["Server"],
            },
        }
    ]
    assert "filters" not in routes["loupe.example.com"]["spec"]["rules"][0]
