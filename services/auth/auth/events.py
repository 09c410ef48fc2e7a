"""The stream of auth's events, and the mails that it sends itself when its own events ask for them."""

from aiosmtplib import SMTPException
from prometheus_client import Counter

from auth import links
from auth.domain import users
from auth.mail import Mailer, Refused
from auth.settings import Settings
from auth.tables import User
from common import bus, messages
from common.db import Sessions
from loupe.auth.v1 import auth_pb2 as pb

STREAM = bus.stream("AUTH", "auth.>")
MAIL_WANTED = messages.Consumer(
    stream="AUTH",
    durable="auth-mail",
    subjects=("auth.mail_wanted",),
    max_attempts=12,
    longest_pause_seconds=600,
)

mails = Counter(
    "loupe_mails_total", "Mails brought to the mail server, or tried in vain", ["kind", "outcome"]
)


class Mails:
    def __init__(self, sessions: Sessions, mailer: Mailer, settings: Settings) -> None:
        self._sessions = sessions
        self._mailer = mailer
        self._secret = settings.secret.get_secret_value()
        self._public_url = settings.public_url
        self._reset_url = settings.reset_url or f"{settings.public_url}/reset-password"

    async def wanted(self, data: bytes) -> None:
        """A repeated event is a second mail with a link as good as the first. Nothing goes to an address that
        is nobody's any more.
        """
        event = pb.MailWanted.FromString(data)
        async with self._sessions.begin() as session:
            user = await users.addressee(session, event.user_id, event.email)
        if user is None:
            return
        link = self._link(event.template, user)
        try:
            await self._mailer.send(event.template, user.email, name=user.name, link=link)
        except Refused as error:
            mails.labels(event.template, "refused").inc()
            raise messages.Unprocessable(str(error)) from error
        except (SMTPException, OSError) as error:
            mails.labels(event.template, "again").inc()
            raise messages.RetryLater(f"{type(error).__name__}: {error}") from error
        mails.labels(event.template, "sent").inc()

    def _link(self, template: str, user: User) -> str:
        """The text that resets a password stands behind the `#`: browsers send that to no server."""
        match template:
            case "verify":
                signed = links.sign(self._secret, "verify", user.id or 0, user.email)
                return f"{self._public_url}/api/email/verify/{signed}"
            case "reset":
                seal = links.seal_of(self._secret, user.password_hash)
                return (
                    f"{self._reset_url}#{links.sign(self._secret, 'reset', user.id or 0, user.email, seal)}"
                )
            case _:
                raise messages.Unprocessable(f"no mail is called {template!r}")
