"""The programs that the release workflow runs, and the rules that all workflows follow."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from loupe_local.service_names import NAMES
from loupe_local.state import REPOSITORY
from tests.chart.helm import CHART, helm

PROGRAMS = REPOSITORY / "deploy" / "release"
WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
IMAGES = (*NAMES, "models", "triton-cpu")


def test_the_chart_names_every_image_by_the_digest_that_was_built(tmp_path: Path) -> None:
    digests = {name: f"sha256:{number:064x}" for number, name in enumerate(IMAGES)}
    folder, values = tmp_path / "digests", tmp_path / "images.yaml"
    folder.mkdir()
    for name, digest in digests.items():
        (folder / name).write_text(f"{digest}\n")

    command = [sys.executable, PROGRAMS / "digests.py", "ghcr.io/somebody/loupe", folder]
    values.write_text(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    rendered = {
        name
        for profile in ("cpu", "gpu")
        for name in images(CHART / "ci" / f"{profile}-values.yaml", values)
        if "/loupe-" in name
    }

    version = (REPOSITORY / "VERSION").read_text().strip()
    assert rendered == {
        f"ghcr.io/somebody/loupe/loupe-{name}:{version}@{digest}" for name, digest in digests.items()
    }


def test_the_published_chart_needs_no_values_to_find_its_images(tmp_path: Path) -> None:
    digests = {name: f"sha256:{number:064x}" for number, name in enumerate(IMAGES)}
    folder = tmp_path / "digests"
    folder.mkdir()
    for name, digest in digests.items():
        (folder / name).write_text(f"{digest}\n")

    command = [sys.executable, PROGRAMS / "chart.py", "ghcr.io/somebody/loupe", folder, tmp_path]
    package = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    named = {
        name
        for profile in ("cpu", "gpu")
        for name in re.findall(
            r"image: \"?([^\s\"]+)",
            helm("template", "loupe", package, "--set", f"inference.profile={profile}"),
        )
        if "/loupe-" in name
    }

    version = (REPOSITORY / "VERSION").read_text().strip()
    assert named == {f"ghcr.io/somebody/loupe/loupe-{name}:{version}@{one}" for name, one in digests.items()}


def test_a_chart_for_other_images_than_were_built_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "digests"
    folder.mkdir()
    (folder / "gateway").write_text(f"sha256:{'5' * 64}\n")

    command = [sys.executable, PROGRAMS / "chart.py", "ghcr.io/somebody/loupe", folder, tmp_path]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 1
    assert "built were gateway" in done.stderr
    assert list(tmp_path.glob("*.tgz")) == []


def images(*values: Path) -> list[str]:
    options = [option for file in values for option in ("-f", str(file))]
    rendered = helm("template", "loupe", str(CHART), *options)
    return re.findall(r"image: \"?([^\s\"]+)", rendered)


def test_a_file_without_a_digest_stops_the_release(tmp_path: Path) -> None:
    (tmp_path / "gateway").write_text("null\n")

    done = subprocess.run(
        [sys.executable, PROGRAMS / "digests.py", "ghcr.io/somebody/loupe", tmp_path],
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "gateway holds no digest: 'null'" in done.stderr


def test_the_workflow_builds_every_image() -> None:
    jobs = yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text())["jobs"]

    assert set(jobs["images"]["strategy"]["matrix"]["image"]) == set(IMAGES)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit_or_marked(workflow: Path) -> None:
    used = re.findall(r"^\s*-? ?uses: (.+)$", workflow.read_text(), re.MULTILINE)

    assert used
    assert [
        line
        for line in used
        if not re.fullmatch(r"\S+@([0-9a-f]{40} # v[\d.]+|\S+ # pin by digest at the first run)", line)
    ] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_jobs_name_their_permissions_and_leave_no_token_behind(workflow: Path) -> None:
    content = yaml.safe_load(workflow.read_text())

    assert content["permissions"] == {}
    for job in content["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"]
        checkouts = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert all(step["with"]["persist-credentials"] is False for step in checkouts)
        assert [step["run"] for step in job["steps"] if "${{" in step.get("run", "")] == []
