"""A measured figure with its target, and how benches print it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value and its target."""

    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool:
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )


def show(figures: Mapping[str, Figure]) -> None:
    """Print a line for each figure."""
    for name, figure in figures.items():
        target = f">= {figure.at_least}" if figure.at_least is not None else f"<= {figure.at_most}"
        target = "" if figure.at_least is figure.at_most is None else target
        print(f"{'ok  ' if figure.is_met else 'MISS'} {name:<42} {figure.value:9.2f}   {target}", flush=True)
