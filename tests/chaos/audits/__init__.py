"""One file for each of the audits. `tests.chaos.plugins` finds them."""
