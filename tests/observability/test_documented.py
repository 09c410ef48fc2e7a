"""The page of metrics names what a running system exports: nothing less and nothing more."""

import re

import httpx2
import pytest
from client import accepted, until
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from loupe_local.services import NAMES
from loupe_local.state import REPOSITORY
from tests.observability.conftest import Traced

ROW = re.compile(r"^\| `(loupe_\w+)`( †)? \|([\w, ]*)\| ([\w, ]+) \| (.+) \|$", re.MULTILINE)
PAGE = (REPOSITORY / "docs" / "observability.md").read_text()
TOLD = {name: (labels, of) for name, _, labels, of, _ in ROW.findall(PAGE)}
KEPT = {name for name, mark, *_ in ROW.findall(PAGE) if mark}
BOUNDED = 40
"""Values of a label, after a short life of the system. More would be as many as there are requests."""


def words(text: str) -> set[str]:
    return {word.strip() for word in text.split(",") if word.strip()}


@pytest.fixture(scope="module")
async def exported(traced: Traced) -> dict[str, dict[str, Metric]]:
    """Ours, by service, after an upload and a refused one."""
    headers = {"Authorization": f"Bearer {traced.stack.token}"}
    async with httpx2.AsyncClient(base_url=traced.stack.api, headers=headers) as client:
        photo = (REPOSITORY / "docs/photos/chelsea.png").read_bytes()
        await until(client, await accepted(client, photo, scale_factor=2), "completed")
        for number in range(60):  # as many paths
            await client.get(f"/api/images/{10**9 + number}")
        pages = {name: (await client.get(url)).text for name, url in traced.stack.services.metrics.items()}
    return {
        name: {
            each.name + ("_total" if each.type == "counter" else ""): each
            for each in text_string_to_metric_families(page)
            if each.name.startswith("loupe_")
        }
        for name, page in pages.items()
    }


async def test_what_is_exported_is_on_the_page(exported: dict[str, dict[str, Metric]]) -> None:
    names = {name for families in exported.values() for name in families}

    assert names == set(TOLD)


async def test_each_metric_is_of_the_services_that_the_page_says(
    exported: dict[str, dict[str, Metric]],
) -> None:
    with_samples = {
        name: {
            service for service in NAMES if exported[service].get(name) and exported[service][name].samples
        }
        for name in TOLD
    }

    for name, (_, of) in TOLD.items():
        assert with_samples[name] <= (set(NAMES) if of == "all" else words(of)), name


async def test_each_metric_has_the_labels_that_the_page_says(
    exported: dict[str, dict[str, Metric]],
) -> None:
    seen: dict[str, set[str]] = {}
    for families in exported.values():
        for name, family in families.items():
            for sample in family.samples:
                seen.setdefault(name, set()).update(set(sample.labels) - {"le"})

    assert {name: labels for name, labels in seen.items() if labels != words(TOLD[name][0])} == {}
    assert len(seen) > len(TOLD) * 0.8


async def test_no_label_has_as_many_values_as_there_are_requests(
    exported: dict[str, dict[str, Metric]],
) -> None:
    values: dict[tuple[str, str, str], set[str]] = {}
    for service, families in exported.items():
        for name, family in families.items():
            for sample in family.samples:
                for label, value in sample.labels.items():
                    if label != "le":
                        values.setdefault((service, name, label), set()).add(value)

    assert {key: len(found) for key, found in values.items() if len(found) > BOUNDED} == {}


async def test_units_and_kinds_are_in_the_names(exported: dict[str, dict[str, Metric]]) -> None:
    units = ("_seconds", "_bytes_total", "_megapixels", "_info")

    for families in exported.values():
        for name, family in families.items():
            assert family.documentation, name
            if family.type == "histogram":
                assert name.endswith("_seconds"), name
            if family.type == "counter":
                assert name.endswith("_total"), name
            assert ("seconds" not in name) or name.endswith(units), name


async def test_what_is_measured_on_a_period_is_there_at_once(
    exported: dict[str, dict[str, Metric]],
) -> None:
    there = {name for families in exported.values() for name, each in families.items() if each.samples}

    assert there >= KEPT
