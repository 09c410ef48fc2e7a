"""Two components never get the same port. A person may choose the port of the API."""

import os
import random
import socket
from collections.abc import Generator
from pathlib import Path

import pytest

from loupe_local import port_option, ports
from loupe_local.port_option import PortRefused
from loupe_local.state import State


@pytest.fixture
def taken() -> Generator[int]:
    """Yield a port on which this process listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def free_port() -> int:
    return ports.allocate(["it"], {})["it"]


def test_a_port_that_is_remembered_for_another_name_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ports.allocate(["nats"], {})
    drawn = iter([first["nats"], first["nats"] + 1])

    def draw(_start: int, _stop: int) -> int:
        return next(drawn)

    monkeypatch.setattr(random, "randrange", draw)

    second = ports.allocate(["s3"], first)

    assert second == {"s3": first["nats"] + 1}


@pytest.mark.parametrize(
    "text", ["0", "70000", "65536", "-1", "abc", "80a", "8080.0", "1e3", "\N{FULLWIDTH DIGIT EIGHT}0", "0x50"]
)
def test_a_port_that_is_none_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(PortRefused, match="PORT must be a number from 1 to 65535"):
        port_option.parse(text)


@pytest.mark.parametrize("text", ["1", "8080", "65535", " 8080 "])
def test_a_port_is_read(text: str) -> None:
    assert port_option.parse(text) == int(text)


def test_a_chosen_port_that_is_taken_is_refused_with_who_has_it(tmp_path: Path, taken: int) -> None:
    with pytest.raises(PortRefused, match=rf"port {taken} is taken by .* \(process {os.getpid()}\)"):
        State(tmp_path).choose_port("api", taken)


def test_a_chosen_port_is_used_from_then_on(tmp_path: Path) -> None:
    State(tmp_path).ports("api")
    chosen = free_port()

    State(tmp_path).choose_port("api", chosen)
    state = State(tmp_path)

    assert state.ports("api") == {"api": chosen}
    assert state.moved_ports == {}


def test_a_chosen_port_that_another_server_had_is_taken_from_it(tmp_path: Path) -> None:
    of_store = State(tmp_path).ports("store")["store"]

    state = State(tmp_path)
    state.choose_port("api", of_store)

    assert state.ports("store")["store"] != of_store
    assert state.ports("api") == {"api": of_store}


def test_a_remembered_port_that_is_taken_moves_and_is_reported(tmp_path: Path) -> None:
    old = State(tmp_path).ports("api")["api"]
    state = State(tmp_path)

    with socket.create_server(("127.0.0.1", old)):
        new = state.ports("api")["api"]

    assert new != old
    assert state.moved_ports == {"api": (old, new)}
