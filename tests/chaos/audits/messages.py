"""All messages are handled: the work queues, the durable consumers and the outboxes are empty."""

from tests.chaos.evidence import Evidence
from tests.chaos.kinds import Audit


def check(found: Evidence) -> list[str]:
    waiting = {
        **found.waiting_messages,
        **{f"outbox of {name}": rows for name, rows in found.outboxes.items()},
    }
    return [f"{count} messages wait in {name}" for name, count in sorted(waiting.items()) if count]


AUDIT = Audit(name="messages", rule="streams and outboxes are empty", check=check)
