"""Kills, freezes and disturbs a running Loupe while clients use it, and then checks that nothing is lost.

`python -m tests.chaos` makes a run; `make chaos` calls it. docs/chaos.md says how to add to it.
"""
