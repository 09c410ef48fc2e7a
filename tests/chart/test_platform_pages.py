"""The values that the pages for platforms and load balancers show are accepted and render."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.checks.all import CHECKS
from tests.chart.helm import DEFAULT, PRODUCTION, REPOSITORY, load_all, release
from tests.chart.kubernetes import VERSIONS, problems

BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
MIDDLE = VERSIONS[len(VERSIONS) // 2]
CUSTOM = ("cloud.google.com/v1", "networking.gke.io/v1")
"""Kinds of platforms, which an operator adds by `extraObjects`."""


def blocks() -> Iterator[tuple[str, str]]:
    """Yield each block of values with the page and the heading above it."""
    for page in ("platforms", "ingress", "gitops"):
        text = (REPOSITORY / "docs" / f"{page}.md").read_text()
        for found in BLOCK.finditer(text):
            heading = re.findall(r"^##+ (.*)$", text[: found.start()], re.MULTILINE)[-1]
            if not found[1].startswith("apiVersion:"):
                yield f"{page}: {heading}", found[1]


BLOCKS = list(blocks())


@pytest.mark.parametrize("block", [text for _, text in BLOCKS], ids=[where for where, _ in BLOCKS])
def test_the_values_of_a_page_render(block: str) -> None:
    values: dict[str, Any]
    [values] = load_all(block)

    chart = release(PRODUCTION if "existingSecret" in block else DEFAULT, **values)

    own = [one for one in chart.objects if one["apiVersion"] not in CUSTOM]
    checks = [check for check in CHECKS if check.__name__ not in ("labels_are_standard", "nothing_is_unused")]
    assert [problem for one in own for problem in problems(one, MIDDLE)] == []
    assert [problem for check in checks for problem in check(chart)] == []


def test_the_pages_have_values_for_each_platform_and_controller() -> None:
    headings = {where.partition(": ")[2] for where, _ in BLOCKS}

    assert headings >= {
        "S3 without keys",
        "GKE",
        "AKS",
        "OpenShift",
        "k3s",
        "No access to the internet",
        "GPUs",
    }
    assert headings >= {
        "Traefik",
        "HAProxy",
        "AWS Load Balancer Controller",
        "GKE Ingress",
        "GKE Gateway",
        "Envoy Gateway",
    }
