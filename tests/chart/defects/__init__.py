"""Planted defects, each with the check that finds it and words of what that says."""

from tests.chart.checks import Check
from tests.chart.objects import Release

Defect = tuple[Check, Release, str]
