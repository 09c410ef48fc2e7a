"""The version of Loupe, and the files that repeat it.

The file VERSION holds it. Members of the workspace, images, the OpenAPI document and SBOMs read that file. A
chart, a Compose file and a package for npm cannot read another file: `version.py --write` writes the version
into them, and `version.py` without an option fails if a file differs.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
NPM = re.compile(r'("name": "loupe-client",\s+"version": ")([^"]*)')
REPEATED_IN = {
    "deploy/helm/loupe/Chart.yaml": re.compile(r"(?m)^((?:version|appVersion): )(\S+)$"),
    "deploy/compose/compose.yaml": re.compile(r"(\$\{LOUPE_TAG:-)([^}]*)"),
    "clients/typescript/package.json": NPM,
    "clients/typescript/package-lock.json": NPM,
    "clients/typescript/src/version.ts": re.compile(r'(VERSION = ")([^"]*)'),
    "docs/own-models.md": re.compile(r"(loupe-model-builder:)([0-9.]+)"),
    "docs/sdk-typescript.md": re.compile(r"(loupe-client-)([0-9.]+)(?=\.tgz)"),
}
"""Files that repeat the version. The groups of a pattern: the text before the version, and the version."""
MEMBERS = ("proto", "services/*", "deploy/local", "clients/python")
SEMANTIC = re.compile(r"(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){2}")


class WrongVersion(Exception):
    """The file VERSION holds no semantic version; the message says so in one sentence."""


def read(root: Path = ROOT) -> str:
    """Return the version. Raise `WrongVersion` for anything but three numbers with dots between them."""
    found = (root / "VERSION").read_text(errors="replace").strip()
    if not SEMANTIC.fullmatch(found):
        raise WrongVersion(f"The file VERSION holds no semantic version such as 1.2.3: {found[:40]!r}")
    return found


def write(version: str, root: Path = ROOT) -> list[str]:
    """Write the version into VERSION and wherever it is repeated; return the paths of these files."""
    (root / "VERSION").write_text(f"{version}\n")
    for path, repeated in REPEATED_IN.items():
        file = root / path
        file.write_text(repeated.sub(rf"\g<1>{version}", file.read_text()))
    return ["VERSION", *REPEATED_IN]


def differences(root: Path = ROOT) -> Iterator[str]:
    """Yield one sentence for each file that has another version, or does not take it from VERSION."""
    version = read(root)
    for path, repeated in REPEATED_IN.items():
        found = {match[2] for match in repeated.finditer((root / path).read_text())}
        if found != {version}:
            yield f"{path} says {', '.join(sorted(found)) or 'no version'}, and VERSION says {version}."
    for pattern in MEMBERS:
        for file in sorted(root.glob(f"{pattern}/pyproject.toml")):
            if not takes_its_version(file, root / "VERSION"):
                yield f"{file.relative_to(root)} does not take its version from VERSION."


def takes_its_version(member: Path, home: Path) -> bool:
    """Return whether this pyproject.toml lets hatchling read the version from VERSION."""
    content = tomllib.loads(member.read_text())
    path = content.get("tool", {}).get("hatch", {}).get("version", {}).get("path", "")
    return (
        "version" in content["project"].get("dynamic", [])
        and (member.parent / path).resolve() == home.resolve()
    )


def main() -> None:
    try:
        if "--write" in sys.argv[1:]:
            write(read())
        found = list(differences())
    except WrongVersion as wrong:
        sys.exit(str(wrong))
    except OSError as error:
        sys.exit(f"The version could not be read or written: {error.filename}: {error.strerror}")
    if found:
        sys.exit("\n".join([*found, "`make version` writes it into these files."]))


if __name__ == "__main__":
    main()
