"""A gateway's cached count of the month: only a newer count replaces it, in whatever order they arrive."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.identity.access import record_usage
from gateway.identity.callers import Caller
from loupe.auth.v1 import auth_pb2
from loupe.billing.v1 import billing_pb2
from loupe.images.v1 import images_pb2
from tests.gateway.harness import a_request

JUNE, JULY = (Timestamp(seconds=int(datetime(2026, month, 1, tzinfo=UTC).timestamp())) for month in (6, 7))


def usage(used: int, version: int, month: Timestamp = JUNE, limit: int | None = 10) -> billing_pb2.Usage:
    return billing_pb2.Usage(used=used, version=version, period_start=month, limit=limit)


def a_caller(known: billing_pb2.Usage) -> Caller:
    entitlement = billing_pb2.GetEntitlementResponse(usage=known, is_active=True)
    services: Any = None  # no service is called
    return Caller(auth_pb2.User(id=1), 1, frozenset(), services, entitlement, math.inf)


@pytest.mark.parametrize(
    ("newer", "expected"),
    [
        (usage(5, 8), 5),
        (usage(0, 8), 0),
        (usage(9, 7), 4),
        (usage(9, 6), 4),
        (usage(1, 1, JULY), 1),
    ],
    ids=["newer", "newer and none used", "as new", "older", "the next month"],
)
def test_only_a_newer_count_is_taken(newer: billing_pb2.Usage, expected: int) -> None:
    caller = a_caller(usage(4, 7))

    caller.update_usage(newer)

    assert caller.entitlement.usage.used == expected


def test_a_late_count_of_the_last_month_changes_nothing() -> None:
    caller = a_caller(usage(1, 1, JULY))

    caller.update_usage(usage(10, 99, JUNE))

    assert (caller.entitlement.usage.used, caller.entitlement.usage.period_start) == (1, JULY)


def test_the_limit_stays_what_the_entitlement_said() -> None:
    caller = a_caller(usage(4, 7, limit=10))

    caller.update_usage(usage(10, 8, limit=None))

    assert caller.quota_is_used_up


def test_an_upload_raises_the_count_and_shows_what_is_left() -> None:
    caller, request = a_caller(usage(4, 7)), a_request()
    request.state.headers = {}

    record_usage(request, caller, images_pb2.UpscaleResponse(usage=usage(5, 8), quota_used=1, quota_limit=1))

    assert request.state.headers == {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "5"}
    assert caller.entitlement.usage.used == 5


def test_an_images_replica_of_the_release_before_shows_what_is_left_too() -> None:
    caller, request = a_caller(usage(4, 7)), a_request()
    request.state.headers = {}

    record_usage(request, caller, images_pb2.CreateBatchResponse(quota_used=6, quota_limit=10))

    assert request.state.headers == {"X-RateLimit-Limit": "10", "X-RateLimit-Remaining": "4"}
    assert caller.entitlement.usage.used == 4, "without a version it is unknown which count is newer"


def test_an_unlimited_plan_has_no_headers() -> None:
    caller, request = a_caller(usage(4, 7, limit=None)), a_request()
    request.state.headers = {}

    record_usage(request, caller, images_pb2.UpscaleResponse(quota_used=5))

    assert request.state.headers == {}
