"""docs/observability.md lists exactly the metrics that a running system exports."""

import re

import httpx2
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from loupe_local.service_names import NAMES
from loupe_local.state import REPOSITORY
from tests.client import upload_image, wait_for_status
from tests.observability.conftest import Traced

ROW = re.compile(r"^\| `(loupe_\w+)`( †)? \|([\w, ]*)\| ([\w, ]+) \| (.+) \|$", re.MULTILINE)
PAGE = (REPOSITORY / "docs" / "observability.md").read_text()
DOCUMENTED = {name: (labels, services) for name, _, labels, services, _ in ROW.findall(PAGE)}
PERIODIC = {name for name, mark, *_ in ROW.findall(PAGE) if mark}
MOST_VALUES = 40
"""The most values that a label may have after a short run. More would mean one value for each request."""


def split(text: str) -> set[str]:
    return {word.strip() for word in text.split(",") if word.strip()}


@pytest.fixture(scope="module")
async def exported(traced: Traced) -> dict[str, dict[str, Metric]]:
    """Return the metrics of each service by name, after an upload and many failed requests."""
    headers = {"Authorization": f"Bearer {traced.stack.token}"}
    async with httpx2.AsyncClient(base_url=traced.stack.api, headers=headers) as client:
        photo = (REPOSITORY / "docs/photos/chelsea.png").read_bytes()
        await wait_for_status(client, await upload_image(client, photo, scale_factor=2), "completed")
        for number in range(60):  # requests with 60 different paths
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


async def test_the_page_lists_exactly_the_exported_metrics(exported: dict[str, dict[str, Metric]]) -> None:
    names = {name for families in exported.values() for name in families}

    assert names == set(DOCUMENTED)


async def test_each_metric_is_exported_by_the_services_that_the_page_names(
    exported: dict[str, dict[str, Metric]],
) -> None:
    with_samples = {
        name: {
            service for service in NAMES if exported[service].get(name) and exported[service][name].samples
        }
        for name in DOCUMENTED
    }

    for name, (_, services) in DOCUMENTED.items():
        assert with_samples[name] <= (set(NAMES) if services == "all" else split(services)), name


async def test_each_metric_has_the_labels_that_the_page_names(
    exported: dict[str, dict[str, Metric]],
) -> None:
    exported_labels: dict[str, set[str]] = {}
    for families in exported.values():
        for name, family in families.items():
            for sample in family.samples:
                exported_labels.setdefault(name, set()).update(set(sample.labels) - {"le"})

    assert {
        name: labels for name, labels in exported_labels.items() if labels != split(DOCUMENTED[name][0])
    } == {}
    assert len(exported_labels) > len(DOCUMENTED) * 0.8


async def test_no_label_has_one_value_for_each_request(
    exported: dict[str, dict[str, Metric]],
) -> None:
    values: dict[tuple[str, str, str], set[str]] = {}
    for service, families in exported.items():
        for name, family in families.items():
            for sample in family.samples:
                for label, value in sample.labels.items():
                    if label != "le":
                        values.setdefault((service, name, label), set()).add(value)

    assert {key: len(found) for key, found in values.items() if len(found) > MOST_VALUES} == {}


async def test_names_contain_units_and_types(exported: dict[str, dict[str, Metric]]) -> None:
    units = ("_seconds", "_bytes_total", "_megapixels", "_info")

    for families in exported.values():
        for name, family in families.items():
            assert family.documentation, name
            if family.type == "histogram":
                assert name.endswith("_seconds"), name
            if family.type == "counter":
                assert name.endswith("_total"), name
            assert ("seconds" not in name) or name.endswith(units), name


async def test_periodic_measurements_are_exported_at_once(
    exported: dict[str, dict[str, Metric]],
) -> None:
    names = {name for families in exported.values() for name, each in families.items() if each.samples}

    assert names >= PERIODIC
