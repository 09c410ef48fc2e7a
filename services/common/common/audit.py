"""Records security events for the audit. Each commits together with the change that it is about.

Services publish them by their outbox, and auth stores them. The rules of `common.security_events` for what
they may hold are the same.
"""

import uuid
from functools import partial

from sqlmodel.ext.asyncio.session import AsyncSession

from common import bus, db, outbox, rpc, timestamps, trace
from common.identity import Principal
from common.security_events import EVENTS, record
from loupe.audit.v1 import audit_pb2 as pb

STREAM = bus.stream("AUDIT", "audit.>", days=30)
"""Auth declares it, and stores its messages. Other services create it if it is missing."""
COMMANDS = "operator"
"""The service as which `loupe-admin` calls."""


class Recorder:
    """Records the security events of one service, each with the transaction of the change."""

    def __init__(self, service: str) -> None:
        self._subject = f"audit.{service}"

    async def __call__(self, session: AsyncSession, name: str, *, user_id: int | None, **ids: object) -> None:
        """Publish the event for the audit, and log it once the transaction has committed.

        If the transaction rolls back, nothing remains. `user_id` is None if no user is known.
        """
        if EVENTS[name].is_audited:
            await outbox.publish(session, self._subject, to_entry(name, user_id, ids))
        db.on_commit(session, partial(record, name, user_id=user_id, **ids))


def to_entry(name: str, user_id: int | None, ids: dict[str, object]) -> pb.Entry:
    """Return what the audit keeps of an event that happens now."""
    caller = rpc.principal_or_nobody()
    is_operator = caller.service == COMMANDS or caller.acts_as_operator
    return pb.Entry(
        id=str(uuid.uuid4()),
        event=name,
        user_id=user_id or 0,
        actor=_actor_of(caller, is_operator=is_operator),
        operator_id=caller.user_id if is_operator else 0,
        client_address=trace.client_address.get(),
        user_agent=trace.user_agent.get(),
        request_id=trace.request_id.get(),
        occurred_at=timestamps.to_proto(db.now()),
        details={key: _to_text(value) for key, value in ids.items() if value is not None},
    )


def _actor_of(caller: Principal, *, is_operator: bool) -> pb.Actor.ValueType:
    if is_operator:
        return pb.ACTOR_OPERATOR
    return pb.ACTOR_SYSTEM if caller == rpc.NOBODY else pb.ACTOR_USER


def _to_text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
