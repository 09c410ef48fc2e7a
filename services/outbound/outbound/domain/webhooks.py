"""The webhooks of users: adding, changing and deleting them.

The address of a webhook was checked by the guard before a function here sees it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors, labels, outbox
from loupe import refusals
from loupe.contract import MOST_WEBHOOKS, WEBHOOK_EVENTS
from loupe.outbound.v1 import outbound_pb2 as pb
from outbound.domain import lanes
from outbound.recording import record
from outbound.signing import secret_problems
from outbound.tables import DisabledReason, Lane, Webhook

LONGEST_DESCRIPTION = 255
"""Limit for a description, in characters."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address that the guard has accepted."""

    url: str
    host: str


def problems_of(
    *, types: Collection[str] = (), description: str = "", secret: str = ""
) -> Mapping[str, Sequence[str]]:
    """Return what is wrong with the values of a webhook, by field."""
    found: dict[str, Sequence[str]] = {}
    if not set(types) <= set(WEBHOOK_EVENTS):
        found["types"] = [errors.choice_text("types", WEBHOOK_EVENTS)]
    if len(description) > LONGEST_DESCRIPTION:
        found["description"] = [f"The description may not be greater than {LONGEST_DESCRIPTION} characters."]
    elif not labels.is_clean(description):
        found["description"] = ["The description may not have control characters."]
    if secret and (problems := secret_problems(secret)):
        found["secret"] = problems
    return found


async def list_all(session: AsyncSession, user_id: int) -> Sequence[Webhook]:
    """Return all webhooks of a user, newest first."""
    own = select(Webhook).where(Webhook.user_id == user_id).order_by(col(Webhook.id).desc())
    return (await session.exec(own)).all()


def checked_secret(secret: str) -> str:
    """Return the secret that a user chose. Raise `InvalidArgument` if it is none."""
    if secret and (problems := secret_problems(secret)):
        raise errors.invalid({"secret": problems})
    return secret


async def get(session: AsyncSession, user_id: int, webhook_id: int, *, for_update: bool = False) -> Webhook:
    """Return a webhook of the user. Raise `NotFound` if there is none with this id."""
    own = select(Webhook).where(Webhook.id == webhook_id, Webhook.user_id == user_id)
    webhook = (await session.exec(own.with_for_update() if for_update else own)).one_or_none()
    if webhook is None:
        raise errors.refused(refusals.WEBHOOK_NOT_FOUND)
    return webhook


async def get_enabled(session: AsyncSession, user_id: int, webhook_id: int) -> Webhook:
    """Return a webhook that gets events. Raise `FailedPrecondition` if it is disabled."""
    webhook = await get(session, user_id, webhook_id)
    if not webhook.is_enabled:
        raise errors.refused(refusals.WEBHOOK_DISABLED)
    return webhook


async def add(
    session: AsyncSession,
    user_id: int,
    address: Address,
    *,
    types: Sequence[str],
    description: str,
    is_enabled: bool,
    encrypted_secret: bytes,
    now: datetime,
) -> Webhook:
    """Add a webhook. Raise `InvalidArgument` if the user has 20."""
    await lanes.lock(session, user_id)
    own = select(func.count()).select_from(Webhook).where(Webhook.user_id == user_id)
    if (await session.exec(own)).one() >= MOST_WEBHOOKS:
        raise errors.invalid({"url": [f"There may be at most {MOST_WEBHOOKS} webhooks."]})
    webhook = Webhook(
        user_id=user_id,
        url=address.url,
        types=_in_order(types),
        description=description,
        is_enabled=is_enabled,
        secret=encrypted_secret,
        created_at=now,
        updated_at=now,
    )
    session.add(webhook)
    await session.flush()
    await lanes.of_webhook(session, user_id, webhook.id or 0, address.host)
    await _tell_owner(session, webhook)
    await record(session, "webhook.created", user_id=user_id, webhook_id=webhook.id)
    return webhook


async def change(
    session: AsyncSession,
    user_id: int,
    webhook_id: int,
    *,
    address: Address | None,
    types: Sequence[str] | None,
    description: str | None,
    is_enabled: bool | None,
    now: datetime,
) -> Webhook:
    """Change the values that are not None. An enabled webhook has no failures, and gets what waits for it."""
    await lanes.lock(session, user_id)
    webhook = await get(session, user_id, webhook_id)
    if address is not None and address.url != webhook.url:
        webhook.url = address.url
        await _tell_owner(session, webhook)
        await lanes.of_webhook(session, user_id, webhook_id, address.host)
    webhook.types = webhook.types if types is None else _in_order(types)
    webhook.description = webhook.description if description is None else description
    if is_enabled and not webhook.is_enabled:
        webhook.disabled_reason = webhook.failing_since = None
    webhook.is_enabled = webhook.is_enabled if is_enabled is None else is_enabled
    webhook.updated_at = now
    await session.flush()
    await _update_lane(session, user_id, webhook_id, now)
    await record(session, "webhook.changed", user_id=user_id, webhook_id=webhook_id)
    return webhook


async def remove(session: AsyncSession, user_id: int, webhook_id: int, now: datetime) -> None:
    """Delete a webhook. Its deliveries are deleted later, see `delivery_log.delete_old`."""
    await lanes.lock(session, user_id)
    await session.delete(await get(session, user_id, webhook_id))
    await session.flush()
    await record(session, "webhook.deleted", user_id=user_id, webhook_id=webhook_id)
    await _update_lane(session, user_id, webhook_id, now)


async def disable(session: AsyncSession, webhook: Webhook, reason: DisabledReason, now: datetime) -> None:
    """Disable a webhook whose deliveries failed. What waits for it goes on when it is enabled again."""
    webhook.is_enabled, webhook.disabled_reason, webhook.updated_at = False, reason, now
    await session.flush()
    ids = {"webhook_id": webhook.id, "reason": reason.value}
    await record(session, "webhook.disabled", user_id=webhook.user_id, **ids)


async def disable_since(session: AsyncSession, user_id: int, since: datetime, until: datetime) -> None:
    """Disable the webhooks that were added or changed between these times, as a thief may have done.

    Repeating it changes nothing: what the owner has changed later stays.
    """
    await lanes.lock_existing(session, user_id)
    times = (col(Webhook.updated_at) > since, col(Webhook.updated_at) <= until)
    found = select(Webhook).where(Webhook.user_id == user_id, col(Webhook.is_enabled), *times)
    for webhook in (await session.exec(found.with_for_update())).all():
        webhook.is_enabled = False
        await session.flush()
        await _update_lane(session, user_id, webhook.id or 0, until)
        ids = {"webhook_id": webhook.id, "reason": "address restored"}
        await record(session, "webhook.disabled", user_id=user_id, **ids)


async def _tell_owner(session: AsyncSession, webhook: Webhook) -> None:
    """Have auth mail the owner that results go to another address from now on."""
    added = pb.WebhookAdded(user_id=webhook.user_id, webhook_id=webhook.id or 0)
    await outbox.publish(session, "outbound.webhook_added", added)


async def _update_lane(session: AsyncSession, user_id: int, webhook_id: int, now: datetime) -> None:
    lane = (await session.exec(select(Lane.id).where(Lane.webhook_id == webhook_id))).one()
    await lanes.update(session, user_id, lane or 0, now)


def _in_order(types: Collection[str]) -> list[str]:
    """Return the types in the order of the contract, each once."""
    return [each for each in WEBHOOK_EVENTS if each in types]
