"""The Dockerfiles: which files and packages an image contains, and how it runs."""

import fnmatch
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from loupe_local.service_names import NAMES, WITH_DATABASE
from loupe_local.state import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "images"
SERVICE_DOCKERFILE, TRITON_DOCKERFILE = FOLDER / "Dockerfile", FOLDER / "triton.Dockerfile"
DOCKERFILES = (SERVICE_DOCKERFILE, TRITON_DOCKERFILE)
SOURCES = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)


def stage(dockerfile: Path, name: str) -> str:
    """Return the lines of one stage."""
    return re.split(r"^FROM \S+ AS ", dockerfile.read_text(), flags=re.MULTILINE)[
        re.findall(r"^FROM \S+ AS (\S+)$", dockerfile.read_text(), re.MULTILINE).index(name) + 1
    ]


def locked(name: str) -> set[str]:
    return set((REPOSITORY / "requirements" / f"{name}.txt").read_text().split())


def is_sent(path: str) -> bool:
    """Return whether Docker receives this path. The last matching line of .dockerignore decides."""
    sent = True
    for rule in (REPOSITORY / ".dockerignore").read_text().splitlines():
        pattern = rule.removeprefix("!").removeprefix("**/")
        if (
            rule
            and not rule.startswith("#")
            and (fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/"))
        ):
            sent = rule.startswith("!")
    return sent


@pytest.mark.parametrize("service", NAMES)
def test_the_image_of_a_service_runs_that_service(service: str) -> None:
    command = stage(SERVICE_DOCKERFILE, service).partition("CMD ")[2].strip()

    assert command == f'["python", "-m", "{service}"]'


@pytest.mark.parametrize("service", NAMES)
def test_the_sources_of_a_service_image_exist_and_are_sent(service: str) -> None:
    sources = " ".join(SOURCES.findall(SERVICE_DOCKERFILE.read_text())).replace("${SERVICE}", service).split()

    assert f"requirements/{service}.txt" in sources
    assert [source for source in sources if not (REPOSITORY / source).exists() or not is_sent(source)] == []


def test_the_sources_of_the_triton_image_exist_and_are_sent() -> None:
    sources = " ".join(SOURCES.findall(TRITON_DOCKERFILE.read_text())).split()

    assert "requirements/triton-cpu.txt" in sources
    assert [source for source in sources if not (REPOSITORY / source).exists() or not is_sent(source)] == []


@pytest.mark.parametrize("left_out", [".git", ".loupe", ".venv", "tests", "docs", "deploy/compose/.env"])
def test_other_files_are_not_sent_to_docker(left_out: str) -> None:
    assert not is_sent(left_out)


@pytest.mark.parametrize("service", WITH_DATABASE)
def test_the_image_of_a_service_with_a_database_can_migrate_it(service: str) -> None:
    folder = REPOSITORY / "services" / service

    assert (folder / "migrations" / "env.py").is_file()
    assert "[tool.alembic]" in (folder / "pyproject.toml").read_text()
    assert "alembic==" in (REPOSITORY / "requirements" / f"{service}.txt").read_text()
    assert "WORKDIR /app/${SERVICE}" in stage(SERVICE_DOCKERFILE, "service")


@pytest.mark.parametrize(
    ("dockerfile", "last"), [(SERVICE_DOCKERFILE, "service"), (TRITON_DOCKERFILE, "runtime")]
)
def test_an_image_runs_without_root_and_contains_no_installer(dockerfile: Path, last: str) -> None:
    lines = stage(dockerfile, last).splitlines()

    assert "USER 10001:10001" in lines
    assert "STOPSIGNAL SIGTERM" in lines
    assert any(re.match(r"RUN rm -rf .*/site-packages/\* .*/ensurepip .*/pip\*$", line) for line in lines)
    assert "USER" not in dockerfile.read_text().replace("USER 10001:10001", "")


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_a_build_installs_only_locked_packages_from_no_named_index(dockerfile: Path) -> None:
    text = re.sub(r"\\\n\s*", "", dockerfile.read_text())
    installing = [line for line in text.split("&&") if " install " in line]

    assert len(installing) >= 2
    assert all(
        "--no-deps" in each and ("--require-hashes" in each or "--no-index" in each) for each in installing
    )
    assert "://" not in text
    assert "# syntax" not in text


def test_triton_runs_with_the_packages_that_its_models_were_checked_with() -> None:
    serving, building = locked("triton-cpu"), locked("triton")

    assert any(part.startswith("openvino==") for part in serving)
    assert serving <= building


def test_an_sbom_is_valid_and_lists_the_locked_packages_of_the_image() -> None:
    subprocess.run([sys.executable, FOLDER / "sbom.py", "triton-cpu"], check=True, capture_output=True)
    text = (REPOSITORY / ".loupe" / "sbom" / "loupe-triton-cpu.json").read_text()

    bill = json.loads(text)
    listed = {f"{each['name']}=={each['version']}" for each in bill["components"]}

    assert JsonStrictValidator(SchemaVersion.from_version(bill["specVersion"])).validate_str(text) is None
    assert listed == {part for part in locked("triton-cpu") | locked("pytriton") if "==" in part}
