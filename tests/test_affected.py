"""`make check` runs the tests that a change affects."""

import subprocess
from pathlib import Path

import pytest

from tests.affected import READER_DISTANCE, ROOT, STACK_DISTANCE, changed_files, distance, imports, levels

LIMITS_TEST = ROOT / "tests" / "gateway" / "test_limits.py"


def distance_to(test: Path, changed: str) -> int | None:
    return distance(test, frozenset({ROOT / changed}))


def test_a_changed_test_file_is_nearest() -> None:
    assert distance_to(LIMITS_TEST, "tests/gateway/test_limits.py") == 0


def test_a_test_of_a_module_is_nearer_than_the_test_of_a_module_that_imports_it() -> None:
    changed = "services/inference/inference/encoding/png.py"

    direct = distance_to(ROOT / "tests/inference/test_encoding.py", changed)
    indirect = distance_to(ROOT / "tests/inference/worker/test_worker_jobs.py", changed)

    assert direct == 1
    assert indirect is not None
    assert indirect > direct


@pytest.mark.parametrize(
    "changed", ["services/billing/billing/domain/quotas.py", "docs/backup.md", "requirements/dev.txt"]
)
def test_a_change_that_a_test_does_not_import_does_not_affect_it(changed: str) -> None:
    assert distance_to(LIMITS_TEST, changed) is None


def test_a_changed_page_affects_the_tests_that_name_it() -> None:
    assert distance_to(ROOT / "tests/contract/test_docs.py", "docs/api.md") is not None


def test_a_changed_file_of_the_chart_affects_all_tests_of_the_chart() -> None:
    assert distance_to(ROOT / "tests/chart/test_network.py", "deploy/helm/loupe/values.yaml") is not None


def test_a_changed_service_affects_the_tests_of_the_whole_system_last() -> None:
    changed = "services/billing/billing/domain/quotas.py"

    assert distance_to(ROOT / "tests/e2e/test_upscale.py", changed) == STACK_DISTANCE


@pytest.mark.parametrize(
    ("test", "changed"),
    [
        ("tests/install/test_machines.py", "deploy/install/machine.py"),
        ("tests/install/test_clean.py", "Makefile"),
        ("tests/install/test_failures.py", "requirements/uv.txt"),
        ("tests/release/test_release.py", "deploy/release/changelog.py"),
        ("tests/containers/test_compose.py", "deploy/compose/nats.conf"),
        ("tests/chart/test_programs.py", "deploy/helm/loupe/files/alive.py"),
        ("tests/test_migrations.py", "services/images/migrations/versions/0001_first.py"),
        ("tests/gateway/test_edge.py", "services/gateway/gateway/pages/start.html"),
        ("tests/inference/test_golden_heif.py", "tests/inference/heic/rgb.heic"),
    ],
)
def test_a_changed_file_affects_the_tests_that_read_its_folder(test: str, changed: str) -> None:
    assert distance_to(ROOT / test, changed) == READER_DISTANCE


def test_every_source_file_affects_a_test() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "proto", "services", "deploy", "requirements", "Makefile"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    imported = {file for test in tests for level in levels(test) for file in level}

    def affects_none(name: str) -> bool:
        path = ROOT / name
        if path in imported or not path.exists():
            return False
        return all(distance_to(test, name) is None for test in tests)

    assert [name for name in listed.stdout.split("\0") if name and affects_none(name)] == []


def git(at: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Jane", "-c", "user.email=jane@example.com")
    subprocess.run(["git", *identity, *arguments], cwd=at, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    for name in ("deleted.py", "renamed.py", "same.py", "ein Bild größer.png"):
        (tmp_path / name).write_text(name)
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Everything")
    return tmp_path


def test_deleted_renamed_and_new_files_are_changed_whatever_their_names(repository: Path) -> None:
    assert changed_files("HEAD", repository) == frozenset()
    (repository / "deleted.py").unlink()
    (repository / "renamed.py").rename(repository / "new name.py")
    (repository / "ein Bild größer.png").write_text("changed")

    names = {path.name for path in changed_files("HEAD", repository)}

    assert names == {"deleted.py", "renamed.py", "new name.py", "ein Bild größer.png"}


@pytest.mark.parametrize("revision", ["", "nowhere", "same.py", "--foo"])
def test_an_unknown_revision_is_refused_in_one_sentence(repository: Path, revision: str) -> None:
    with pytest.raises(
        pytest.UsageError, match=rf"^git cannot compare with the revision BASE={revision}: .+$"
    ):
        changed_files(revision, repository)


@pytest.mark.parametrize("content", [b"def broken(:", b"a = '\0'", b"# \xff"])
def test_a_module_that_is_no_python_imports_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken.py"
    file.write_bytes(content)

    assert imports(file) == frozenset()
