"""How far a durable consumer is behind its stream, as the broker tells it."""

import functools

from nats.js import JetStreamContext
from prometheus_client import Gauge

from common import metrics

pending = Gauge(
    "loupe_consumer_pending_messages", "Messages that the consumer was not given yet", ["durable"]
)
unsettled = Gauge("loupe_consumer_unsettled_messages", "Messages given and not settled yet", ["durable"])
redelivered = Gauge(
    "loupe_consumer_redelivered_messages", "Of those not settled, given more than once", ["durable"]
)


async def watch(js: JetStreamContext, stream: str, durable: str) -> None:
    """Runs for ever."""
    await metrics.keep_updated(f"consumer {durable}", functools.partial(_measure, js, stream, durable))


async def _measure(js: JetStreamContext, stream: str, durable: str) -> None:
    info = await js.consumer_info(stream, durable)
    pending.labels(durable).set(info.num_pending or 0)
    unsettled.labels(durable).set(info.num_ack_pending or 0)
    redelivered.labels(durable).set(info.num_redelivered or 0)
