"""The local half of a release, as `make release VERSION=1.2.3` runs it.

Everything happens in a temporary clone. The commit, the tag and the files of the release come back to this
repository only after all steps have passed, and never in a dry run. Pushing the tag is the other half: the
workflow `release` then builds and publishes.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import changelog
import chart
import version

ROOT = version.ROOT
TARGET = ROOT / ".loupe" / "release"
CHART = Path("deploy/helm/loupe")
DESCRIPTION = ("tests/openapi/released.json", "tests/openapi/accepted.txt")
REGISTRY = "registry.example.com/loupe"
"""Stands for the registry if none is given: only the workflow publishes."""


class Refused(Exception):
    """A release that cannot be made; the message says why, in one sentence."""


def git(*arguments: str, at: Path = ROOT) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=at, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def make(at: Path, target: str) -> None:
    """Run a target of the Makefile with the tools that are installed here."""
    inherited = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS")
    env = {name: value for name, value in os.environ.items() if name not in inherited}
    command = ["make", "--no-print-directory", "-o", ".venv/dev", target]
    subprocess.run(command, cwd=at, env=env, check=True, stdout=sys.stderr)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split("."))


def read_unreleased() -> str:
    """Return what CHANGELOG.md lists as unreleased, or an empty string."""
    log = ROOT / "CHANGELOG.md"
    return changelog.notes(log.read_text(), changelog.UNRELEASED) if log.exists() else ""


def check(wanted: str) -> None:
    """Raise `Refused` unless this version can be released from here."""
    if not wanted:
        raise Refused("Say which version: make release VERSION=1.2.3")
    if not version.SEMANTIC.fullmatch(wanted):
        raise Refused(
            f"{wanted!r} is no semantic version: three numbers with dots between them, such as 1.2.3"
        )
    if git("status", "--porcelain"):
        raise Refused("There are changes that are not committed: commit or remove them first.")
    is_first = wanted == version.read() and not git("tag", "--list", "v*")
    if numbers(wanted) <= numbers(version.read()) and not is_first:
        raise Refused(f"{wanted} is not greater than {version.read()}, the version in the file VERSION.")
    if git("tag", "--list", f"v{wanted}"):
        raise Refused(f"The tag v{wanted} exists already.")
    if not read_unreleased():
        raise Refused("CHANGELOG.md has no entry under [Unreleased]: say there what changes for users.")


def clone(folder: Path) -> Path:
    """Return a clone of what is committed here, with the same installed tools and the same author."""
    copy = folder / "loupe"
    git("clone", "--quiet", "--no-checkout", str(ROOT), str(copy))
    git("checkout", "--quiet", "--detach", git("rev-parse", "HEAD"), at=copy)
    for name in ("user.name", "user.email"):
        if value := git("config", "--default", "", "--get", name):
            git("config", name, value, at=copy)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


def write_version(copy: Path, wanted: str) -> list[str]:
    """Write the version, the changelog's new heading, and the API's description.

    Lint compares later descriptions with this one. Return the paths of the changed files.
    """
    log = copy / "CHANGELOG.md"
    log.write_text(changelog.release(log.read_text(), wanted, f"{datetime.now(UTC):%Y-%m-%d}"))
    subprocess.run([copy / ".venv/bin/python", "-m", "tests.openapi", "--write"], cwd=copy, check=True)
    return [*version.write(wanted, copy), "CHANGELOG.md", *DESCRIPTION]


def build(copy: Path, wanted: str, notes: str) -> Path:
    """Build the files of a release: the chart's package, the SBOMs and the notes. Return their folder."""
    target = copy / ".loupe" / "release"
    target.mkdir(parents=True)
    (target / "notes.md").write_text(f"{notes}\n")
    helm = [ROOT / ".loupe" / "helm" / "helm4", "package", "deploy/helm/loupe", "--destination", target]
    subprocess.run(helm, cwd=copy, check=True, stdout=subprocess.DEVNULL)
    make(copy, "sbom")
    for sbom in sorted((copy / ".loupe" / "sbom").iterdir()):
        sbom.rename(target / f"{sbom.stem}-{wanted}.cdx.json")
    return target


def prove(copy: Path, wanted: str, registry: str) -> list[str]:
    """Return lines that name the images of the chart as the workflow will publish it."""
    names = [name for _, name in chart.IMAGE.findall((copy / CHART / "values.yaml").read_text())]
    try:
        images = chart.prove(copy / CHART, registry, names, wanted)
    except chart.NotFilled as problem:
        raise Refused(str(problem)) from None
    what = f"The published chart names {len(images)} images by digest. These digests stand for real ones:"
    return [what, *(f"  {image[:-52]}…" for image in images)]


def bring_back(copy: Path, wanted: str, built: Path) -> None:
    """Bring the commit, the tag and the built files from the clone to this repository."""
    tag = f"refs/tags/v{wanted}"
    git("fetch", "--quiet", "--no-tags", str(copy), tag)
    git("merge", "--quiet", "--ff-only", "FETCH_HEAD")  # it fails if somebody has committed meanwhile
    git("fetch", "--quiet", "--no-tags", str(copy), f"{tag}:{tag}")
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.copytree(built, TARGET)


def release(wanted: str, *, registry: str, is_dry_run: bool, with_lint: bool) -> Sequence[str]:
    """Make the release, and return the lines that say what was done."""
    check(wanted)
    notes = read_unreleased()
    with TemporaryDirectory(prefix="loupe-release-") as folder:
        copy = clone(Path(folder))
        changed = write_version(copy, wanted)
        if with_lint:
            make(copy, "lint")
        proof = prove(copy, wanted, registry)
        built = build(copy, wanted, notes)
        git("commit", "--quiet", "--message", f"Release {wanted}", "--", *changed, at=copy)
        git("tag", "--annotate", f"v{wanted}", "--message", f"Loupe {wanted}", at=copy)
        lines = [
            git("show", "--stat", "--format=%s", "HEAD", at=copy),
            "",
            *sorted(f.name for f in built.iterdir()),
            "",
            *proof,
        ]
        if is_dry_run:
            return [*lines, "", notes, "", "This was a dry run: nothing here was changed."]
        bring_back(copy, wanted, built)
    return [
        *lines,
        "",
        f"Committed and tagged; the files are in .loupe/release. Publish: git push origin HEAD v{wanted}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make release")
    parser.add_argument("version", help="the new version, such as 1.2.3")
    parser.add_argument("--dry-run", action="store_true", help="show the release, and change nothing")
    parser.add_argument("--registry", default=REGISTRY, help="where the workflow publishes the images")
    parser.add_argument("--no-lint", action="store_true", help="leave out `make lint`")
    arguments = parser.parse_args()
    try:
        lines = release(
            arguments.version,
            registry=arguments.registry,
            is_dry_run=arguments.dry_run,
            with_lint=not arguments.no_lint,
        )
    except (Refused, version.WrongVersion) as refusal:
        sys.exit(str(refusal))
    except subprocess.CalledProcessError as failed:
        command = " ".join(map(str, failed.cmd))
        sys.exit(f"The release stopped because this command failed: {command}\nNothing here was changed.")
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
