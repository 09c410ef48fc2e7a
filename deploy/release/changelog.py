"""Read what CHANGELOG.md lists as unreleased, and move it under a version.

The format is https://keepachangelog.com's.
"""

import re

UNRELEASED = re.compile(
    r"(?m)^## \[Unreleased\][^\n]*\n(.*?)(?=^## |^\[[^\]\n]+\]: |\Z)", re.DOTALL | re.IGNORECASE
)
ENTRY = re.compile(r"(?m)^\s*[-*] \S")


def unreleased(text: str) -> str:
    """Return the Markdown under Unreleased, or an empty string if no entry stands there."""
    section = UNRELEASED.search(text)
    return section[1].strip() if section and ENTRY.search(section[1]) else ""


def release(text: str, version: str, date: str) -> str:
    """Return the changelog with everything under Unreleased moved under this version."""
    heading = f"## [Unreleased]\n\n## [{version}] - {date}\n\n{unreleased(text)}\n\n"
    return UNRELEASED.sub(lambda _: heading, text, count=1).rstrip() + "\n"
