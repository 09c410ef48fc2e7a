"""Mails: rendered from templates and sent over SMTP. The first line of a template is the subject."""

from email.message import EmailMessage
from email.utils import make_msgid

import aiosmtplib
from jinja2 import Environment, PackageLoader, StrictUndefined

from auth.settings import Settings

TEMPLATES = Environment(
    loader=PackageLoader("auth", "mails"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701  mails are plain text
    trim_blocks=True,
)
SMTP_SECONDS = 20.0
FIRST_PERMANENT_CODE = 500
"""Codes from here on are permanent failures (RFC 5321, 4.2.1)."""


class Refused(Exception):
    """The mail server refused the mail permanently. Trying again would not help."""


class Mailer:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, template: str, to: str, **values: str) -> None:
        """Send one mail. Raise `Refused`, or `SMTPException` or OSError if a later attempt may succeed."""
        subject, _, body = TEMPLATES.get_template(f"{template}.txt").render(values).partition("\n")
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = self._settings.mail_from, to, subject
        mail["Message-ID"] = make_msgid(domain="loupe")
        mail.set_content(body.lstrip("\n"), cte="8bit")  # keeps a long link on one line
        try:
            await self._send(mail)
        except aiosmtplib.SMTPRecipientsRefused as error:
            if all(each.code >= FIRST_PERMANENT_CODE for each in error.recipients):
                raise Refused(str(error)) from error
            raise
        except aiosmtplib.SMTPResponseException as error:
            if error.code >= FIRST_PERMANENT_CODE:
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
