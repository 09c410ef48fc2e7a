"""A small disk can be filled and has room again, and is unmounted at the end."""

import errno
from pathlib import Path

import pytest

from tests.chaos import disks


def test_a_full_disk_takes_nothing_until_it_has_room_again(tmp_path: Path) -> None:
    with disks.small_disks(tmp_path) as mounted:
        if not mounted:
            pytest.skip("small disks cannot be mounted here")
        path = mounted["nats"]
        disks.fill(path)

        with pytest.raises(OSError) as refused:  # noqa: PT011  its number is checked
            (path / "file").write_bytes(b"x" * 8192)
        disks.free(path)
        (path / "file").write_bytes(b"x")

        assert refused.value.errno == errno.ENOSPC
        assert all(each.is_mount() for each in mounted.values())
    assert not any(each.is_mount() for each in mounted.values())
