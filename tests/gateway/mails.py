"""The links in mails to users."""

import asyncio
import re

from loupe_local import mailbox
from loupe_local.stack import Stack

VERIFY = re.compile(r"https?://\S+/verify-email/(\S+)")
RESET = re.compile(r"https?://\S+/reset-password#(\S+)")


async def link_to(stack: Stack, address: str, pattern: re.Pattern[str]) -> re.Match[str]:
    """Wait for a mail to this address with such a link. Return the newest link."""
    async with asyncio.timeout(20):
        while not (found := [link for text in mails_to(stack, address) if (link := pattern.search(text))]):
            await asyncio.sleep(0.05)
    return found[-1]


def mails_to(stack: Stack, address: str) -> list[str]:
    return [mail.get_content() for mail in mailbox.mails_to(stack.stores.mails, address)]
