"""Finds the fenced blocks of the written pages, and of the API's description that `/docs` shows."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.openapi.api_texts import DESCRIPTION

ROOT = Path(__file__).parents[2]
FILES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
    *sorted(ROOT.glob("services/**/README.md")),
]
PAGES = {str(path.relative_to(ROOT)): path.read_text() for path in FILES} | {"/docs": DESCRIPTION}
OPENING = re.compile(r"^( *)(`{3,}|~{3,}) *([\w+-]*)")
HEADING = re.compile(r"^#+ (.+)$")
PROGRAMS = {"sh", "python", "js", "ts"}
"""The languages of blocks that a reader runs. No page uses a second name for one of them."""
NOT_PROGRAMS = {"", "json", "yaml", "sql", "mermaid"}


@dataclass(frozen=True, slots=True)
class Block:
    name: str
    """Page, heading and language, and a number if there are several: `docs/api.md: Quick start: sh 2`."""
    page: str
    language: str
    text: str


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """Yield each fenced block of a page, in a list or not."""
    lines, heading, counted = iter(text.splitlines()), "", Counter[str]()
    for line in lines:
        if found := HEADING.match(line):
            heading = found[1]
        if not (opening := OPENING.match(line)):
            continue
        indent, fence, language = opening.groups()
        content: list[str] = []
        for inner in lines:
            if re.fullmatch(rf" *{re.escape(fence)}{fence[0]}* *", inner):
                break
            content.append(inner.removeprefix(indent))
        else:
            raise ValueError(f"{page}: the block after {heading!r} has no end")
        name = f"{page}: {heading}: {language}"
        counted[name] += 1
        number = f" {counted[name]}" if counted[name] > 1 else ""
        yield Block(name + number, page, language, "\n".join(content) + "\n")


BLOCKS = {block.name: block for page, text in PAGES.items() for block in blocks_of(page, text)}


def code_of(text: str) -> Iterator[str]:
    """Yield the code of a page: lines of fenced and indented blocks, and what stands between backticks."""
    is_fenced = False
    for line in text.replace("\\\n", " ").splitlines():
        if OPENING.match(line):
            is_fenced = not is_fenced
        elif is_fenced or line.startswith("    "):
            yield line.strip()
        else:
            yield from re.findall(r"`([^`]+)`", line)
