"""Hourly limits: exact over all gateways, and enforced without the broker too."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncGenerator

import psutil
import pytest
from prometheus_client import REGISTRY

from common import bus
from common.metrics import Readiness
from gateway.identity.limits import Count, Limits
from loupe_local.stores import Stores


def counted_locally() -> float:
    return REGISTRY.get_sample_value("loupe_limits_local_total") or 0.0


def a_key() -> str:
    return f"user-{secrets.token_hex(6)}"


@pytest.fixture
async def two(stores: Stores) -> AsyncGenerator[tuple[Limits, Limits]]:
    """Two gateways, each with its own connection."""
    async with (
        bus.connection(stores.nats_url("gateway"), "one", Readiness()) as first,
        bus.connection(stores.nats_url("gateway"), "two", Readiness()) as second,
    ):
        limits = Limits(2), Limits(2)
        await limits[0].use_broker(first)
        await limits[1].use_broker(second)
        yield limits


async def test_gateways_share_one_count(two: tuple[Limits, Limits]) -> None:
    key = a_key()

    counts = await asyncio.gather(*(two[number % 2].count(key, 60) for number in range(100)))

    assert sum(count.is_over for count in counts) == 40
    assert sorted(count.remaining for count in counts if not count.is_over) == list(range(60))
    assert {count.remaining for count in counts if count.is_over} == {0}


async def test_the_last_request_within_the_limit_is_admitted(two: tuple[Limits, Limits]) -> None:
    key = a_key()

    counts = [await two[0].count(key, 2) for _ in range(3)]

    assert [(count.remaining, count.is_over) for count in counts] == [(1, False), (0, False), (0, True)]


async def test_keys_are_counted_separately(two: tuple[Limits, Limits]) -> None:
    await two[0].count(key := a_key(), 5)

    assert (await two[0].count(a_key(), 5)).remaining == 4
    assert (await two[1].count(key, 5)).remaining == 3


async def test_a_window_ends_with_the_hour(two: tuple[Limits, Limits]) -> None:
    before = int(time.time())

    count = await two[0].count(a_key(), 5)

    possible = {3600 - second % 3600 for second in range(before, int(time.time()) + 1)}
    assert count.resets_in in possible


async def test_reserving_ten_places_at_a_time_never_exceeds_the_limit(two: tuple[Limits, Limits]) -> None:
    key = a_key()

    counts = await asyncio.gather(*(two[number % 2].count(key, 95, 10) for number in range(150)))

    places = [count.remaining for count in counts if not count.is_over]
    assert len(places) == len(set(places))
    assert len(places) == 95


async def test_many_requests_wait_no_longer_for_a_hanging_broker_than_one(
    stores: Stores, two: tuple[Limits, Limits]
) -> None:
    broker, before = psutil.Process(stores.supervisor.pid("nats")), counted_locally()
    broker.suspend()
    try:
        async with asyncio.timeout(5):
            while broker.status() != psutil.STATUS_STOPPED:
                await asyncio.sleep(0.01)
        counts = await asyncio.wait_for(
            asyncio.gather(*(two[0].count(key, 40, 10) for key in [a_key()] * 30)), 15
        )
    finally:
        broker.resume()

    assert [count.is_over for count in counts] == [False] * 20 + [True] * 10
    assert counted_locally() == before + 30


async def test_reading_the_limit_does_not_count(two: tuple[Limits, Limits]) -> None:
    key, single, before = a_key(), Limits(1), counted_locally()

    counts = [await limits.count(key, 5, 0) for limits in (two[0], two[1], single) for _ in range(9)]

    assert {(count.remaining, count.is_over) for count in counts} == {(5, False)}
    assert counted_locally() == before
    assert (await two[0].count(key, 5)).remaining == 4
    assert (await two[1].count(key, 5, 0)).remaining == 4


async def test_a_place_that_is_given_back_can_be_used_again_by_any_gateway(
    two: tuple[Limits, Limits],
) -> None:
    key = a_key()
    first = await two[0].count(key, 1)

    given_back = await two[0].give_back(first)
    second, third = await two[1].count(key, 1), await two[1].count(key, 1)

    assert (given_back.remaining, second.is_over, third.is_over) == (1, False, True)


async def test_giving_back_to_a_broker_that_lost_its_counts_admits_no_more_than_the_limit(
    stores: Stores, two: tuple[Limits, Limits]
) -> None:
    key = a_key()
    counts = [await two[0].count(key, 2) for _ in range(2)]
    async with bus.connection(stores.nats_url("operator"), "operator", Readiness()) as operator:
        await operator.jetstream().purge_stream("LIMITS")

    given_back = [await two[0].give_back(count) for count in counts]
    later = [await two[1].count(key, 2) for _ in range(3)]

    assert [count.remaining for count in given_back] == [2, 2]
    assert [count.is_over for count in later] == [False, False, True]


def test_the_headers_are_those_of_the_draft() -> None:
    headers = Count(limit=100, remaining=7, resets_in=1800, is_over=False).headers()

    assert headers == {"RateLimit-Policy": '"hour";q=100;w=3600', "RateLimit": '"hour";r=7;t=1800'}
    for value in headers.values():
        assert re.fullmatch(r'"[a-z]+"(;[a-z]=\d+)+', value)


async def test_before_the_broker_is_connected_each_gateway_enforces_its_share() -> None:
    limits, key, before = Limits(2), a_key(), counted_locally()

    counts = [await limits.count(key, 10) for _ in range(6)]

    assert [count.is_over for count in counts] == [False] * 5 + [True]
    assert {count.limit for count in counts} == {10}
    assert counted_locally() == before + 6


async def test_a_dead_broker_is_replaced_by_local_counts_until_it_is_back(
    stores: Stores, two: tuple[Limits, Limits]
) -> None:
    await asyncio.gather(*(limits.count(a_key(), 10) for limits in two))
    before, key = counted_locally(), a_key()

    await stores.supervisor.kill("nats")
    async with asyncio.timeout(20):
        without = [await two[0].count(key, 10) for _ in range(6)]
    counted = counted_locally() - before
    await stores.supervisor.restart("nats")
    together = await counted_together(two)

    assert [count.is_over for count in without] == [False] * 5 + [True]
    assert counted == 6
    assert together


async def counted_together(two: tuple[Limits, Limits]) -> bool:
    """Wait for the two to share one count again. Return whether they do."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        key = a_key()
        counts = [await limits.count(key, 1000) for limits in (*two, *two)]
        if [count.remaining for count in counts] == [999, 998, 997, 996]:
            return True
        await asyncio.sleep(0.1)
    return False
