"""Installs what a target of the Makefile names: `python deploy/install TARGET [ARGUMENT ...]`.

It runs before anything is installed, so it needs nothing but Python. This file and `machine` must be readable
for old versions of Python too: these get a sentence instead of a syntax error.
"""

import sys

import machine

if __name__ == "__main__":
    problem = machine.find_problem()
    if problem:
        sys.exit(problem)
    import targets  # an old Python cannot read it

    sys.exit(targets.install(sys.argv[1], sys.argv[2:]))
