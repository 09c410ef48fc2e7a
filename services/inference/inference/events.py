"""The queues from which the worker takes jobs, and the results that it publishes.

The worker shares its time between the queues: priority jobs go first, but no other job waits for ever.
"""

from nats.js import JetStreamContext

from common import bus, messages
from loupe.inference.v1 import inference_pb2 as pb

RESULTS = bus.stream("RESULTS", "inference.finished", work_queue=True)
PRIORITY_IN_A_ROW = 4
"""After this many starts of priority jobs in a row, another queue goes first. It gets every fifth start."""


class Queues:
    """The durable consumers of jobs, and the order in which a worker reads from them.

    Only jobs that really start count. A cancelled image does not use up its queue's turn.
    """

    def __init__(self, ack_wait_seconds: float, longest_pause_seconds: float = 10.0) -> None:
        def queue(stream: str, durable: str, subject: str, *, is_retired: bool = False) -> messages.Consumer:
            # `max_attempts` stays None: `images` counts attempts, and hands out no work after the last one.
            return messages.Consumer(
                stream=stream,
                durable=durable,
                subjects=(subject,),
                ack_wait_seconds=ack_wait_seconds,
                longest_pause_seconds=longest_pause_seconds,
                is_retired=is_retired,
            )

        self.priority = queue("QUEUE", "inference-priority", "images.queued.priority")
        self.standard = queue("QUEUE", "inference-standard", "images.queued.standard")
        # The previous release published all jobs to the stream JOBS, which has one durable.
        # Workers empty it after an upgrade. The next release removes this queue and deletes the stream.
        self.retired = queue("JOBS", "inference", "images.submitted.*", is_retired=True)
        self._others = [self.retired, self.standard]
        self._priority_in_a_row = 0

    def preference(self) -> tuple[messages.Consumer, ...]:
        """Return the queues in the order in which to look for the next job."""
        if self._priority_in_a_row < PRIORITY_IN_A_ROW:
            return self.priority, *self._others
        return *self._others, self.priority

    def count_start(self, queue: messages.Consumer) -> None:
        """Record that a job of this queue has started."""
        if queue == self.priority:
            self._priority_in_a_row += 1
        else:
            self._priority_in_a_row = 0
            self._others.remove(queue)
            self._others.append(queue)  # the others take turns


class Results:
    def __init__(self, js: JetStreamContext) -> None:
        self._js = js

    async def publish(self, event: pb.Finished) -> None:
        """Publish the outcome of an attempt. The stream ignores a second message about the same attempt."""
        message_id = f"finished-{event.image_id}-{event.fence}"
        await bus.publish(self._js, "inference.finished", event.SerializeToString(), message_id=message_id)
