"""`make release` and `make version`, run in a new repository with the files of this one."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from loupe_local.state import REPOSITORY
from tests.release.test_publishing import IMAGES

CHANGELOG = """# Changelog

## [Unreleased]

### Added

- Pictures of the moon.

## [0.0.1] - 2026-01-01

- The first one.
"""
IDENTITY = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "Jane"), ("EMAIL", "jane@example.com"))
}
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", ".loupe", "__pycache__", ".*_cache", "proto", "photos")


def git(at: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=at, env=os.environ | IDENTITY, check=True, capture_output=True, text=True
    ).stdout.strip()


def make(at: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make with the tools that are installed here."""
    command = ["make", "-o", ".venv/dev", "-o", ".venv/run", "-o", ".loupe/helm/ready", *arguments]
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(command, cwd=at, env=env | IDENTITY, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release") / "origin"
    shutil.copytree(REPOSITORY, folder, ignore=NOT_COPIED)
    shutil.copytree(REPOSITORY / "proto", folder / "proto", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "VERSION").write_text("0.1.0\n")
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    subprocess.run([sys.executable, folder / "deploy/release/version.py", "--write"], check=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Everything")
    git(folder, "tag", "v0.1.0")
    return folder


@pytest.fixture
def repository(origin: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "loupe"
    git(tmp_path, "clone", "--quiet", str(origin), str(folder))
    (folder / ".git/info/exclude").write_text(".venv\n")
    (folder / ".venv").symlink_to(REPOSITORY / ".venv")
    (folder / ".loupe").mkdir()
    (folder / ".loupe/helm").symlink_to(REPOSITORY / ".loupe/helm")
    return folder


def test_a_dry_run_shows_the_release_and_changes_nothing(repository: Path) -> None:
    before = git(repository, "rev-parse", "HEAD")

    done = make(
        repository, "release", "VERSION=0.2.0", "DRY_RUN=1", "LINT=no", "REGISTRY=ghcr.io/somebody/loupe"
    )

    assert (done.returncode, done.stderr.count("Error")) == (0, 0), done.stderr
    assert "Release 0.2.0" in done.stdout
    assert "loupe-0.2.0.tgz" in done.stdout
    assert "loupe-gateway-0.2.0.cdx.json" in done.stdout
    assert "- Pictures of the moon." in done.stdout
    assert f"The published chart names {len(IMAGES)} images by digest" in done.stdout
    for name in IMAGES:
        assert f"  ghcr.io/somebody/loupe/loupe-{name}:0.2.0@sha256:" in done.stdout
    assert "nothing here was changed" in done.stdout
    assert git(repository, "rev-parse", "HEAD") == before
    assert (git(repository, "status", "--porcelain"), git(repository, "tag")) == ("", "v0.1.0")
    assert not (repository / ".loupe/release").exists()


def test_a_release_is_a_commit_an_annotated_tag_and_its_files(repository: Path) -> None:
    done = make(repository, "release", "VERSION=0.2.0", "LINT=no")

    assert done.returncode == 0, done.stderr
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "symbolic-ref", "--short", "HEAD") == "main"
    assert git(repository, "cat-file", "-t", "v0.2.0") == "tag"
    assert git(repository, "rev-parse", "v0.2.0^{commit}") == git(repository, "rev-parse", "HEAD")
    assert set(git(repository, "show", "--format=", "--name-only", "HEAD").splitlines()) == {
        "CHANGELOG.md",
        "VERSION",
        "clients/typescript/package-lock.json",
        "clients/typescript/package.json",
        "clients/typescript/src/version.ts",
        "deploy/compose/compose.yaml",
        "deploy/helm/loupe/Chart.yaml",
        "docs/own-models.md",
        "docs/sdk-typescript.md",
        "tests/openapi/released.json",
    }
    assert make(repository, "version").returncode == 0
    assert git(repository, "status", "--porcelain") == ""
    changelog = (repository / "CHANGELOG.md").read_text()
    dated = re.sub(r"\d{4}-\d\d-\d\d", "TODAY", changelog, count=1)
    assert dated == CHANGELOG.replace("[Unreleased]", "[Unreleased]\n\n## [0.2.0] - TODAY")
    files = repository / ".loupe/release"
    assert (files / "notes.md").read_text() == "### Added\n\n- Pictures of the moon.\n"
    with tarfile.open(files / "loupe-0.2.0.tgz") as package:
        member = package.extractfile("loupe/Chart.yaml")
        assert member
        chart = yaml.safe_load(member)
    assert (chart["version"], chart["appVersion"]) == ("0.2.0", "0.2.0")
    bill = yaml.safe_load((files / "loupe-images-0.2.0.cdx.json").read_text())
    assert (bill["metadata"]["component"]["name"], bill["metadata"]["component"]["version"]) == (
        "loupe-images",
        "0.2.0",
    )


def test_the_first_release_may_have_the_version_that_the_repository_has(repository: Path) -> None:
    git(repository, "tag", "--delete", "v0.1.0")

    done = make(repository, "release", "VERSION=0.1.0", "DRY_RUN=1", "LINT=no")

    assert done.returncode == 0, done.stderr
    assert "loupe-0.1.0.tgz" in done.stdout


def test_a_release_that_fails_lint_changes_nothing(repository: Path) -> None:
    file = repository / "deploy/release/changelog.py"
    file.write_text(f"{file.read_text()}x  =  1\n")
    git(repository, "commit", "--quiet", "--all", "--message", "Badly formatted")
    before = git(repository, "rev-parse", "HEAD")

    done = make(repository, "release", "VERSION=0.2.0")

    assert done.returncode != 0
    assert "deploy/release/changelog.py" in done.stderr
    assert "Nothing here was changed." in done.stderr
    assert (git(repository, "rev-parse", "HEAD"), git(repository, "tag")) == (before, "v0.1.0")


def test_a_release_during_which_somebody_commits_changes_nothing(repository: Path) -> None:
    (repository / ".loupe/helm").unlink()
    (repository / ".loupe/helm").mkdir()
    helm = repository / ".loupe/helm/helm4"
    commit = f"git -C '{repository}' commit --quiet --allow-empty --message Meanwhile"
    helm.write_text(f'#!/bin/sh\n{commit} && exec {REPOSITORY}/.loupe/helm/helm4 "$@"\n')
    helm.chmod(0o755)

    done = make(repository, "release", "VERSION=0.2.0", "LINT=no")

    assert done.returncode != 0
    assert "Nothing here was changed." in done.stderr
    assert (git(repository, "show", "--format=%s", "HEAD"), git(repository, "tag")) == ("Meanwhile", "v0.1.0")


def change_a_file(repository: Path) -> None:
    (repository / "README.md").write_text("changed")


def create_tag(repository: Path) -> None:
    git(repository, "tag", "v0.2.0")


def remove_entries(repository: Path) -> None:
    (repository / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n## [0.0.1] - 2026-01-01\n\n- The first.\n"
    )
    git(repository, "commit", "--quiet", "--all", "--message", "No entries")


def without_version(repository: Path) -> None:
    (repository / "VERSION").write_text("junk\n")
    git(repository, "commit", "--quiet", "--all", "--message", "No version")


@pytest.mark.parametrize(
    ("version", "prepare", "sentence"),
    [
        ("", None, "Say which version: make release VERSION=1.2.3"),
        ("v0.2", None, "'v0.2' is no semantic version"),
        ("0.2.0-rc.1", None, "'0.2.0-rc.1' is no semantic version"),
        ("0.02.0", None, "'0.02.0' is no semantic version"),
        ("-1.2.3", None, "'-1.2.3' is no semantic version"),
        ("1.1\u0662.3", None, "'1.1\u0662.3' is no semantic version"),
        pytest.param(f"{'9' * 5000}.0.0", None, "is no semantic version", id="more digits than Python reads"),
        ("0.1.0", None, "0.1.0 is not greater than 0.1.0"),
        ("0.0.9", None, "0.0.9 is not greater than 0.1.0"),
        ("0.2.0", change_a_file, "There are changes that are not committed"),
        ("0.2.0", without_version, "The file VERSION holds no semantic version such as 1.2.3: 'junk'"),
        ("0.2.0", create_tag, "The tag v0.2.0 exists already"),
        ("0.2.0", remove_entries, "CHANGELOG.md has no entry under [Unreleased]"),
    ],
)
def test_a_release_that_cannot_be_made_is_refused_in_one_sentence(
    repository: Path, version: str, prepare: object, sentence: str
) -> None:
    if callable(prepare):
        prepare(repository)
    before = git(repository, "rev-parse", "HEAD")

    done = make(repository, "release", f"VERSION={version}", "LINT=no")

    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert git(repository, "rev-parse", "HEAD") == before


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("VERSION", "0.1.0", "0.3.0", "Chart.yaml says 0.1.0, and VERSION says 0.3.0"),
        (
            "deploy/helm/loupe/Chart.yaml",
            "appVersion: 0.1.0",
            "appVersion: 0.3.0",
            "Chart.yaml says 0.1.0, 0.3.0",
        ),
        ("deploy/compose/compose.yaml", "LOUPE_TAG:-0.1.0", "LOUPE_TAG:-0.3.0", "compose.yaml says 0.3.0"),
        (
            "proto/pyproject.toml",
            'dynamic = ["version"]',
            'version = "0.1.0"',
            "proto/pyproject.toml does not take",
        ),
    ],
)
def test_a_file_with_another_version_is_named(
    repository: Path, file: str, old: str, new: str, sentence: str
) -> None:
    changed = (repository / file).read_text().replace(old, new)
    (repository / file).write_text(changed)

    done = subprocess.run(
        [sys.executable, repository / "deploy/release/version.py"],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert sentence in done.stderr


def test_the_version_is_written_wherever_it_is_repeated(repository: Path) -> None:
    (repository / "VERSION").write_text("0.3.0\n")

    done = make(repository, "version")

    assert done.returncode == 0, done.stderr
    assert git(repository, "diff", "--name-only").splitlines() == [
        "VERSION",
        "clients/typescript/package-lock.json",
        "clients/typescript/package.json",
        "clients/typescript/src/version.ts",
        "deploy/compose/compose.yaml",
        "deploy/helm/loupe/Chart.yaml",
        "docs/own-models.md",
        "docs/sdk-typescript.md",
    ]


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("VERSION", "", "The file VERSION holds no semantic version such as 1.2.3: ''"),
        ("VERSION", "1.2\\g<1>\n", "The file VERSION holds no semantic version"),
        ("VERSION", None, "VERSION: No such file or directory"),
        ("deploy/compose/compose.yaml", None, "compose.yaml: No such file or directory"),
    ],
)
def test_a_version_that_cannot_be_written_is_refused_in_one_sentence(
    repository: Path, file: str, content: str | None, sentence: str
) -> None:
    if content is None:
        (repository / file).unlink()
    else:
        (repository / file).write_text(content)

    done = make(repository, "version")

    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
