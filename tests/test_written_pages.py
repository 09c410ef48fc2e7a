"""Written pages name only things that exist: linked pages, anchors, modules and files."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)")
PACKAGES = "|".join(each.parent.name for each in sorted(ROOT.glob("services/*/pyproject.toml")))
NAME = re.compile(rf"`((?:{PACKAGES})(?:\.\w+)+)`")
FILE = re.compile(r"`((?:\w+/)+\w+\.(?:py|toml))`")
SOURCE_ROOTS = ("", "proto", "services", *(f"services/{name}" for name in PACKAGES.split("|")))

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
PATH = re.compile(r"`((?:[a-z]\w*/)+(?:[\w.-]+)?)`")
PLACEHOLDER = re.compile(r"[/_](?:NAME|SERVICE)\b")
INNER_ROOTS = (*SOURCE_ROOTS, "services/gateway/gateway", "deploy/helm/loupe", "deploy/compose")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def referenced() -> Iterator[str]:
    """Yield each name in the last column of the glossary's tables."""
    for cell in re.findall(r"^\|.*\| ([^|]+) \|$", GLOSSARY, re.MULTILINE):
        yield from NAME.findall(cell)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_leads_to_a_page_and_a_heading_that_exist(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text()):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


@pytest.mark.parametrize("name", sorted(set(referenced())))
def test_the_glossary_names_code_that_exists(name: str) -> None:
    package, *parts = name.split(".")
    path = ROOT / "services" / package / package
    while parts and (path / parts[0]).is_dir():
        path /= parts.pop(0)
    if parts:
        path = path / f"{parts.pop(0)}.py"
        text = path.read_text()
        assert all(re.search(rf"\b{part}\b", text) for part in parts), name
    assert path.exists()


@pytest.mark.parametrize("name", sorted(set(FILE.findall(ARCHITECTURE))))
def test_the_architecture_names_files_that_exist(name: str) -> None:
    assert any((ROOT / root / name).exists() for root in SOURCE_ROOTS)


@pytest.mark.parametrize("name", sorted(set(PATH.findall(CONTRIBUTING))))
def test_the_recipes_name_files_that_exist(name: str) -> None:
    assert PLACEHOLDER.search(name) or any((ROOT / root / name).exists() for root in INNER_ROOTS)


@pytest.mark.parametrize("start", ["README.md", "docs/README.md"])
def test_every_page_can_be_reached(start: str) -> None:
    reached, pending = set[Path](), [ROOT / start]
    while pending:
        page = pending.pop()
        reached.add(page)
        linked = linked_from(page)
        pending += [each for each in linked - reached - set(pending) if each.suffix == ".md"]

    assert set(PAGES) <= reached


def test_the_index_lists_every_page_once_and_says_when_to_read_it() -> None:
    index = ROOT / "docs" / "README.md"
    rows = re.findall(r"^\| \[[^\]]+\]\(([^)]+)\) \| (.+) \|$", index.read_text(), re.MULTILINE)

    listed = [(index.parent / target).resolve() for target, _ in rows]

    pages = {*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*/README.md"), ROOT / "CONTRIBUTING.md"}
    assert len(listed) == len(set(listed))
    assert pages - {index} <= set(listed)


def linked_from(page: Path) -> set[Path]:
    return {(page.parent / target).resolve() for target, _ in LINK.findall(page.read_text()) if target}
