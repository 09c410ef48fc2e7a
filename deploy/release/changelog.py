"""Read a section of CHANGELOG.md, and move what is unreleased under a version.

The format is https://keepachangelog.com's. `python changelog.py 1.2.3` prints the notes of that version.
"""

import re
import sys
from pathlib import Path

UNRELEASED = "Unreleased"
ENTRY = re.compile(r"(?m)^\s*[-*] \S")


def notes(text: str, version: str) -> str:
    """Return the Markdown under the version's heading, or an empty string if no entry stands there."""
    section = _section(version).search(text)
    return section[1].strip() if section and ENTRY.search(section[1]) else ""


def release(text: str, version: str, date: str) -> str:
    """Return the changelog with everything under Unreleased moved under this version."""
    heading = f"## [{UNRELEASED}]\n\n## [{version}] - {date}\n\n{notes(text, UNRELEASED)}\n\n"
    return _section(UNRELEASED).sub(lambda _: heading, text, count=1).rstrip() + "\n"


def _section(version: str) -> re.Pattern[str]:
    """Match a section up to the next heading of its level, or the links at the end of the file."""
    heading = rf"^## \[{re.escape(version)}\][^\n]*\n"
    return re.compile(heading + r"(.*?)(?=^## |^\[[^\]\n]+\]: |\Z)", re.DOTALL | re.IGNORECASE | re.MULTILINE)


def main() -> None:
    version = sys.argv[1]
    found = notes((Path(__file__).parents[2] / "CHANGELOG.md").read_text(), version)
    if not found:
        sys.exit(f"CHANGELOG.md has no entry under [{version}].")
    sys.stdout.write(f"{found}\n")


if __name__ == "__main__":
    main()
