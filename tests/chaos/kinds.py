"""The three kinds of plug-ins: scenarios of clients, faults, and audits."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.chaos.evidence import Evidence

if TYPE_CHECKING:
    from tests.chaos.client import Client
    from tests.chaos.world import World


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Something that a client does with one image or several. `play` returns when the client is done."""

    name: str
    images: int
    """The most images that it submits."""
    weight: int
    play: "Callable[[Client], Coroutine[None, None, None]]"
    is_slow: bool = False
    """Whether it makes each run a minute longer. The short run leaves it out."""


@dataclass(frozen=True, kw_only=True)
class Strike:
    """One use of a fault. `seconds` is how long it lasts, if it lasts."""

    component: str
    seconds: float
    choice: int
    """A random number, for faults that have more to choose."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something that goes wrong. `strike` returns what it did, one line for each component that it hit."""

    name: str
    weight: int
    targets: "Callable[[World], Sequence[str]]"
    """Returns the components that it can hit. Without any, the fault is left out."""
    strike: "Callable[[World, Strike], Awaitable[Sequence[str]]]"
    """Returns the components whose processes were killed, stopped or frozen."""
    longest_seconds: float = 0.0
    is_kill: bool = False
    """Whether it counts as kills."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """A rule that holds after the run. `check` returns a sentence for each violation."""

    name: str
    rule: str
    check: Callable[[Evidence], list[str]]
