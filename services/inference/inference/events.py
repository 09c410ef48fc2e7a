"""The jobs that the worker takes and the results that it tells."""

from nats.js import JetStreamContext

from common import bus, messages
from loupe.inference.v1 import inference_pb2 as pb

RESULTS = bus.stream("RESULTS", "inference.finished", work_queue=True)


def submitted(ack_wait_seconds: float) -> messages.Consumer:
    """Attempts are counted by `images`, which answers "nothing to do" when there is none left."""
    return messages.Consumer(
        stream="JOBS",
        durable="inference",
        subjects=("images.submitted.*",),
        ack_wait_seconds=ack_wait_seconds,
        longest_pause_seconds=10.0,
    )


class Teller:
    def __init__(self, js: JetStreamContext) -> None:
        self._js = js

    async def finished(self, event: pb.Finished) -> None:
        message_id = f"finished-{event.image_id}-{event.fence}"
        await bus.publish(self._js, "inference.finished", event.SerializeToString(), message_id=message_id)
