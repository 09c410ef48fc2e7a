"""A network on the CPU gives its memory back while no tiles come, and never during one."""

import importlib.util
import threading
import time
from pathlib import Path
from typing import Any

import pytest

IDLE = Path(__file__).parents[2] / "services" / "inference" / "models" / "backend" / "idle.py"
LONG = 60.0


@pytest.fixture(scope="module")
def idle() -> Any:
    """The module as Triton's process loads it, which has a path of its own."""
    spec = importlib.util.spec_from_file_location("idle", IDLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_memory_is_released_once_after_the_last_use(idle: Any) -> None:
    released, again, calls = threading.Event(), threading.Event(), list[int]()

    def release() -> None:
        calls.append(1)
        (again if released.is_set() else released).set()

    in_use = idle.IdleRelease(release, 0.01)
    with in_use:
        pass
    assert released.wait(LONG)
    with in_use:
        pass
    assert again.wait(LONG)
    in_use.close()

    assert len(calls) == 2


def test_memory_is_never_released_during_a_use(idle: Any) -> None:
    released, is_used, seen = threading.Event(), False, list[bool]()

    def release() -> None:
        seen.append(is_used)
        released.set()

    in_use = idle.IdleRelease(release, 0.0)
    for _ in range(50):
        with in_use:
            is_used = True
            time.sleep(0.001)  # the other thread could release now
            is_used = False
    assert released.wait(LONG)
    in_use.close()

    assert not any(seen)


def test_a_network_that_is_never_used_releases_nothing_and_ends(idle: Any) -> None:
    calls = list[int]()

    idle.IdleRelease(lambda: calls.append(1), 0.0).close()

    assert not calls
