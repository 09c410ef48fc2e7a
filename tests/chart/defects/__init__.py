"""Planted defects, each with the check that finds it and a part of its message."""

from tests.chart.checks import Check
from tests.chart.objects import Release

Defect = tuple[Check, Release, str]
