"""One file for each of the scenarios. `tests.chaos.plugins` finds them."""
