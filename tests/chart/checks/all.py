"""The list of all checks."""

from tests.chart.checks import Check, names, pods, references, scaling, secrets, security, wiring

CHECKS: tuple[Check, ...] = (
    *names.CHECKS,
    *wiring.CHECKS,
    *references.CHECKS,
    *scaling.CHECKS,
    *security.CHECKS,
    *secrets.CHECKS,
    *pods.CHECKS,
)
