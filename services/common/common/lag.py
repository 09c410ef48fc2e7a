"""Measures how far a durable consumer is behind its stream, as the broker counts it."""

import functools

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from prometheus_client import Gauge

from common import metrics
from common.messages import Consumer

pending = Gauge(
    "loupe_consumer_pending_messages", "Messages that were not delivered to the consumer yet", ["durable"]
)
unsettled = Gauge(
    "loupe_consumer_unsettled_messages", "Messages that were delivered and are not settled yet", ["durable"]
)
redelivered = Gauge(
    "loupe_consumer_redelivered_messages",
    "Unsettled messages that were delivered more than once",
    ["durable"],
)


async def watch(js: JetStreamContext, consumer: Consumer) -> None:
    """Update the gauges of this consumer until cancelled."""
    await metrics.keep_updated(f"consumer {consumer.durable}", functools.partial(_measure, js, consumer))


async def _measure(js: JetStreamContext, consumer: Consumer) -> None:
    """Update the gauges. They become 0 if the stream of a retired consumer is missing."""
    try:
        info = await js.consumer_info(consumer.stream, consumer.durable)
    except NotFoundError:
        if not consumer.is_retired:
            raise
        _set(consumer, 0, 0, 0)
    else:
        _set(consumer, info.num_pending or 0, info.num_ack_pending or 0, info.num_redelivered or 0)


def _set(consumer: Consumer, pending_count: int, unsettled_count: int, redelivered_count: int) -> None:
    pending.labels(consumer.durable).set(pending_count)
    unsettled.labels(consumer.durable).set(unsettled_count)
    redelivered.labels(consumer.durable).set(redelivered_count)
