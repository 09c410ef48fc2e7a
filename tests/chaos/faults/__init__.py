"""One file for each of the faults. `tests.chaos.plugins` finds them."""
