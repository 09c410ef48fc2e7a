"""The stream of auth's events, and the mails that it sends itself when its own events ask for them."""

from aiosmtplib import SMTPException

from auth import links
from auth.domain import users
from auth.mail import Mailer, Refused
from common import bus
from common.db import Sessions
from loupe.auth.v1 import auth_pb2 as pb

STREAM = bus.stream("AUTH", "auth.>")
MAIL_WANTED = bus.Consumer(
    stream="AUTH",
    durable="auth-mail",
    subjects=("auth.mail_wanted",),
    max_attempts=12,
    longest_pause_seconds=600,
)


class Mails:
    def __init__(self, sessions: Sessions, mailer: Mailer, *, secret: str, public_url: str) -> None:
        self._sessions = sessions
        self._mailer = mailer
        self._secret = secret
        self._public_url = public_url

    async def wanted(self, data: bytes) -> None:
        """A repeated event is a second mail with a link as good as the first."""
        event = pb.MailWanted.FromString(data)
        async with self._sessions.begin() as session:
            user = await users.by_id(session, event.user_id)
        signed = links.sign(self._secret, event.template, event.user_id, event.email)
        link = f"{self._public_url}/api/email/{event.template}/{signed}"
        try:
            await self._mailer.send(event.template, event.email, name=user.name, link=link)
        except Refused as error:
            raise bus.Unprocessable(str(error)) from error
        except (SMTPException, OSError) as error:
            raise bus.Later(f"{type(error).__name__}: {error}") from error
