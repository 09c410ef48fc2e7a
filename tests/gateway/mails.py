"""The links in mails to users."""

import asyncio
import email
import re
from email.message import EmailMessage
from email.policy import default

from loupe_local.stack import Stack

VERIFY = re.compile(r"https?://\S+/api/email/verify/\S+")
RESET = re.compile(r"https?://\S+/reset-password#(\S+)")


async def link_to(stack: Stack, address: str, pattern: re.Pattern[str]) -> re.Match[str]:
    """Wait for a mail to this address with such a link. Return the newest link."""
    async with asyncio.timeout(20):
        while not (found := [link for text in mails_to(stack, address) if (link := pattern.search(text))]):
            await asyncio.sleep(0.05)
    return found[-1]


def mails_to(stack: Stack, address: str) -> list[str]:
    paths = sorted(stack.stores.mails.glob(f"*-{address}.eml"))
    mails = [email.message_from_bytes(path.read_bytes(), EmailMessage, policy=default) for path in paths]
    return [mail.get_content() for mail in mails]
