"""Two components never get the same port."""

import random

import pytest

from loupe_local import ports


def test_a_port_that_is_remembered_for_another_name_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ports.allocate(["nats"], {})
    drawn = iter([first["nats"], first["nats"] + 1])

    def draw(_start: int, _stop: int) -> int:
        return next(drawn)

    monkeypatch.setattr(random, "randrange", draw)

    second = ports.allocate(["s3"], first)

    assert second == {"s3": first["nats"] + 1}
