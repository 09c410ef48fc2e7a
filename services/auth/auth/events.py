"""The stream of auth's events, and the consumers that send mails and keep the audit.

Auth consumes its own events to send mails. A mail is therefore sent only after the commit, and is retried.
"""

from dataclasses import replace

from aiosmtplib import SMTPException
from prometheus_client import Counter

from auth import links
from auth.domain import addresses, audit, audit_partitions, mail_requests, reservations, users
from auth.mail import Mailer, Refused
from auth.settings import Settings
from auth.tables import User
from common import bus, log, messages
from common.audit import STREAM
from common.db import Sessions, now
from loupe.audit.v1 import audit_pb2
from loupe.auth.v1 import auth_pb2 as pb
from loupe.outbound.v1 import outbound_pb2

EVENTS = bus.stream("AUTH", "auth.>")
MAIL_WANTED = messages.Consumer(
    stream="AUTH",
    durable="auth-mail",
    subjects=("auth.mail_wanted",),
    max_attempts=12,
    longest_pause_seconds=600,
)
WEBHOOK_DISABLED = replace(
    MAIL_WANTED, stream="OUTBOUND", durable="auth-webhooks", subjects=("outbound.webhook_disabled",)
)
WEBHOOK_ADDED = replace(WEBHOOK_DISABLED, durable="auth-new-webhooks", subjects=("outbound.webhook_added",))
NOTICE_WANTED = replace(MAIL_WANTED, durable="auth-notice", subjects=("auth.address_notice_wanted",))
AUDIT = messages.Consumer(stream=str(STREAM.name), durable="auth-audit", subjects=("audit.>",))
ACCOUNT_NOTICES = ("password_changed", "factor_enabled", "factor_disabled", "factor_reset", "account_deleted")

LOG = log.get(__name__)
mails = Counter("loupe_mails_total", "Attempts to send mails", ["kind", "outcome"])


class Mails:
    """Sends the mails that `auth.mail_wanted` events request."""

    def __init__(self, sessions: Sessions, mailer: Mailer, settings: Settings) -> None:
        self._sessions = sessions
        self._mailer = mailer
        self._secret = settings.link_secrets()[0]
        self._public_url = settings.public_url
        self._mails_per_day = settings.mails_per_day
        self._reset_url = settings.reset_url or f"{settings.public_url}/reset-password"

    async def send(self, data: bytes) -> None:
        """Send one mail, unless the user has been deleted or has another address by now.

        An event that is delivered twice sends two mails. Both links work.
        """
        event = pb.MailWanted.FromString(data)
        find = users.find_to_verify if event.template == "verify" else users.find_with_address
        async with self._sessions.begin() as session:
            user = await find(session, event.user_id, event.email)
        if user:
            is_change = event.template == "verify" and event.email != user.email
            link = self._link(event.template, user, event.email)
            await self._send("verify_change" if is_change else event.template, event.email, link)

    async def notify(self, data: bytes) -> None:
        """Send one notice to the former address, unless the change can no longer be undone, or to the present
        address of a user whose account has changed.
        """
        event = pb.AddressNoticeWanted.FromString(data)
        if event.template:
            await self._notify_of_account(event)
            return
        async with self._sessions.begin() as session:
            is_wanted = await addresses.notice_is_wanted(session, event.change_id, event.email)
        if is_wanted:
            signed = links.sign(
                self._secret,
                "restore",
                event.user_id,
                event.email,
                str(event.change_id),
                valid_for=reservations.WAY_BACK,
            )
            link = f"{self._public_url}/restore-address#{signed}"
            await self._send("address_changed" if event.is_done else "address_changing", event.email, link)

    async def notify_of_webhook(self, data: bytes) -> None:
        """Send a notice to the owner of a webhook that was disabled."""
        event = outbound_pb2.WebhookDisabled.FromString(data)
        await self._notify_owner(event.user_id, "webhook_disabled", url=event.url, reason=event.reason)

    async def notify_of_new_webhook(self, data: bytes) -> None:
        """Send a notice to the owner of a webhook that was added, or leads to another address.

        It does not name the address, which a thief of a token may have chosen.
        """
        event = outbound_pb2.WebhookAdded.FromString(data)
        await self._notify_owner(event.user_id, "webhook_added")

    async def _notify_owner(self, user_id: int, template: str, **values: str) -> None:
        """Send a notice about a webhook, unless the user has been deleted or got too many notices."""
        per_day = self._mails_per_day
        async with self._sessions.begin() as session:
            user = await session.get(User, user_id)
            if user is None or not await mail_requests.may_notify(session, user, template, per_day=per_day):
                return
        await self._send(template, user.email, self._public_url, **values)
        async with self._sessions.begin() as session:
            await mail_requests.count_notice(session, user, per_day=per_day)

    async def _notify_of_account(self, event: pb.AddressNoticeWanted) -> None:
        if event.template not in ACCOUNT_NOTICES:
            raise messages.Unprocessable(f"there is no notice {event.template!r}")
        async with self._sessions.begin() as session:
            user = await users.find_with_address(session, event.user_id, event.email)
        if user or event.template == "account_deleted":
            await self._send(event.template, event.email, self._public_url)

    async def _send(self, template: str, to: str, link: str, **values: str) -> None:
        try:
            await self._mailer.send(template, to, link=link, **values)
        except Refused as error:
            mails.labels(template, "refused").inc()
            raise messages.Unprocessable(str(error)) from error
        except (SMTPException, OSError) as error:
            mails.labels(template, "again").inc()
            raise messages.RetryLater(f"{type(error).__name__}: {error}") from error
        mails.labels(template, "sent").inc()

    def _link(self, template: str, user: User, email: str) -> str:
        """Return the link. A reset link has its signed text after the `#`, which browsers do not send."""
        match template:
            case "verify":
                signed = links.sign(self._secret, "verify", user.id or 0, email)
                return f"{self._public_url}/verify-email/{signed}"
            case "reset":
                seal = links.seal_of(self._secret, user.password_hash)
                return f"{self._reset_url}#{links.sign(self._secret, 'reset', user.id or 0, email, seal)}"
            case _:
                raise messages.Unprocessable(f"there is no mail template {template!r}")


class Audit:
    """Stores what the services publish for the audit, and drops what is old."""

    def __init__(self, sessions: Sessions, kept_days: int) -> None:
        self._sessions = sessions
        self._kept_days = kept_days

    async def store(self, data: bytes) -> None:
        """Store one event. A message that comes again changes nothing."""
        event = audit_pb2.Entry.FromString(data)
        try:
            async with self._sessions.begin() as session:
                outcome = await audit.store(session, event, kept_days=self._kept_days)
        except ValueError as error:
            raise messages.Unprocessable(f"the event has no valid id or actor: {error}") from error
        audit.entries.labels(outcome).inc()

    async def keep_partitions(self) -> None:
        async with self._sessions.begin() as session:
            dropped = await audit_partitions.keep(session, now(), self._kept_days)
        if dropped:
            LOG.info("old months of the audit dropped", partitions=dropped, kept_days=self._kept_days)
