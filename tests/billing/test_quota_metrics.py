"""Metrics of the quota: places by outcome, refusals by reason, and overdue reservations."""

import pytest
from prometheus_client import REGISTRY

from billing.domain import quota_metrics
from common import errors
from tests.billing.harness import BillingHarness


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def update_gauges(billing: BillingHarness) -> None:
    async with billing.sessions.begin() as session:
        await quota_metrics.update_gauges(session)


async def test_reserved_places_are_counted(billing: BillingHarness) -> None:
    await billing.set_plan("starter")
    before = value("loupe_quota_places_total", outcome="reserved")

    await billing.reserve()
    await billing.reserve()

    assert value("loupe_quota_places_total", outcome="reserved") == before + 2


async def test_a_refusal_is_counted_by_its_reason(billing: BillingHarness) -> None:
    await billing.set_plan("starter", images_per_month=0)
    before = value("loupe_quota_refusals_total", reason="quota_exceeded")
    reserved = value("loupe_quota_places_total", outcome="reserved")

    with pytest.raises(errors.PermissionDenied):
        await billing.reserve()

    assert value("loupe_quota_refusals_total", reason="quota_exceeded") == before + 1
    assert value("loupe_quota_places_total", outcome="reserved") == reserved


async def test_overdue_reservations_are_counted_separately(billing: BillingHarness) -> None:
    await billing.set_plan("starter")
    await billing.reserve()
    await billing.reserve()
    await billing.change("UPDATE reservation SET expires_at = now() + interval '1 hour'")

    await update_gauges(billing)
    in_time = value("loupe_quota_overdue_seconds")
    await billing.change(
        "UPDATE reservation SET expires_at = now() - interval '1 hour'"
        " WHERE id = (SELECT min(id::text)::uuid FROM reservation)"
    )
    await update_gauges(billing)

    assert in_time == 0
    assert value("loupe_quota_reservations", state="open") == 2
    assert value("loupe_quota_reservations", state="overdue") == 1
    assert value("loupe_quota_overdue_seconds") >= 3600
