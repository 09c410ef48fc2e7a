"""`make up` writes the plans once, and leaves alone what somebody has set."""

import shutil
from pathlib import Path

from loupe_local import plans


def test_the_plans_have_no_quotas_and_are_written_at_each_start(tmp_path: Path) -> None:
    plans.write_without_quotas(tmp_path)
    first = (tmp_path / plans.FILE_NAME).read_text()
    plans.write_without_quotas(tmp_path)

    assert not plans.QUOTA.search(first)
    assert "requests_per_hour" in first
    assert (tmp_path / plans.FILE_NAME).read_text() == first


def test_a_file_that_somebody_has_changed_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / plans.FILE_NAME
    plans.write_without_quotas(tmp_path)
    changed = path.read_text().replace("requests_per_hour = 500", "requests_per_hour = 7")
    path.write_text(changed)

    plans.write_without_quotas(tmp_path)

    assert path.read_text() == changed


def test_a_file_of_an_earlier_release_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / plans.FILE_NAME
    shutil.copy(plans.SHIPPED, path)

    plans.write_without_quotas(tmp_path)

    assert not plans.QUOTA.search(path.read_text())
