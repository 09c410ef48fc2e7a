"""Mails are written as files that a person can read, and take links from with the tools of a shell."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loupe_local.mailbox import mails_to
from loupe_local.smtp import Folder

LINK = "http://127.0.0.1:8080/verify-email/7.abc"
MAIL = f"Subject: Verify\r\n\r\nOpen this link:\r\n\r\n{LINK}\r\n"


@pytest.mark.parametrize("content", [MAIL, MAIL.encode()], ids=["text", "bytes"])
async def test_a_line_of_a_mail_ends_as_lines_of_files_do(tmp_path: Path, content: str | bytes) -> None:
    envelope: Any = SimpleNamespace(content=content, rcpt_tos=["ada@example.com", "bob@example.com"])
    nothing: Any = None

    await Folder(tmp_path).handle_DATA(nothing, nothing, envelope)

    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    assert all(file.read_bytes().decode().splitlines()[-1] == LINK for file in files)
    assert all(b"\r" not in file.read_bytes() for file in files)
    assert mails_to(tmp_path, "ada@example.com")[0]["Subject"] == "Verify"
