"""The parent's side of a confined child."""

import pytest

from confinement.process import ConfinedProcess


def test_a_child_that_does_not_start_is_named_with_its_exit_code() -> None:
    child = ConfinedProcess("-c", "raise SystemExit(3)")

    with pytest.raises(EOFError, match="`python -I -c raise SystemExit\\(3\\)` ended with exit code 3"):
        child.report()


def test_a_killed_child_is_not_alive() -> None:
    child = ConfinedProcess("-c", "input()")
    assert child.is_alive

    child.kill()

    assert not child.is_alive
    child.end()
