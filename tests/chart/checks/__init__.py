"""Checks that go beyond the schemas of Kubernetes.

A check takes a release and yields a sentence for each defect.
"""

from collections.abc import Callable, Iterator

from tests.chart.objects import Release

Check = Callable[[Release], Iterator[str]]
