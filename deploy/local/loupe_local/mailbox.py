"""Read the folder into which the local mail server writes mails: one file for each recipient."""

import asyncio
import email
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

WAIT_SECONDS = 20.0


def mails_to(folder: Path, address: str) -> list[EmailMessage]:
    """Return all mails to this address, oldest first."""
    # a name that begins with a dot is a mail that is still being written
    paths = sorted(folder.glob(f"[!.]*-{address}.eml"))
    return [email.message_from_bytes(path.read_bytes(), EmailMessage, policy=default) for path in paths]


async def newest_mail_to(folder: Path, address: str, subject: str = "") -> EmailMessage:
    """Wait for a mail to this address whose subject contains `subject`, and return the newest one."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not (found := [mail for mail in mails_to(folder, address) if subject in mail["Subject"]]):
            await asyncio.sleep(0.05)
    return found[-1]
