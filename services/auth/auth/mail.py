"""Mails: rendered from templates, sent over SMTP. Each template's first line is the subject."""

from email.message import EmailMessage
from email.utils import make_msgid

import aiosmtplib
from jinja2 import Environment, PackageLoader, StrictUndefined

from auth.settings import Settings

# Plain text: nothing to escape.
TEMPLATES = Environment(
    loader=PackageLoader("auth", "mails"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701
    trim_blocks=True,
)
SMTP_SECONDS = 20.0
FOR_GOOD = 500


class Refused(Exception):
    """For good (RFC 5321, 4.2.1: codes from 500 on)."""


class Mailer:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, template: str, to: str, **values: str) -> None:
        """Raises `Refused`, or `aiosmtplib.SMTPException` or OSError when a later try may succeed."""
        subject, _, body = TEMPLATES.get_template(f"{template}.txt").render(values).partition("\n")
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._settings.mail_from, to, subject
        mail["Message-ID"] = make_msgid(domain="loupe")
        mail.set_content(body.lstrip("\n"), cte="8bit")  # a link is not broken over lines
        try:
            await self._send(mail)
        except aiosmtplib.SMTPRecipientsRefused as error:
            if all(each.code >= FOR_GOOD for each in error.recipients):
                raise Refused(str(error)) from error
            raise
        except aiosmtplib.SMTPResponseException as error:
            if error.code >= FOR_GOOD:
                raise Refused(str(error)) from error
            raise

    async def _send(self, mail: EmailMessage) -> None:
        await aiosmtplib.send(
            mail,
            hostname=self._settings.smtp_host,
            port=self._settings.smtp_port_number,
            username=self._settings.smtp_user or None,
            password=self._settings.smtp_password.get_secret_value() or None,
            start_tls=self._settings.smtp_starttls,
            timeout=SMTP_SECONDS,
        )
