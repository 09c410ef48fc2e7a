"""A Kubernetes API in memory, for the real Helm: it stores objects, merges patches and watches.

It runs no pods. `controllers` writes the status that a cluster would write, as the test wants it.
"""
