"""Says which walls stand around the children in which a service reads files of strangers."""

from collections.abc import Mapping

from prometheus_client import Gauge

from common import log

LOG = log.get(__name__)

wall_stands = Gauge(
    "loupe_wall_stands", "Whether a wall stands around the children of this process", ["child", "wall"]
)


def announce(child: str, report: Mapping[str, str]) -> None:
    """Log and export the walls. The report has a text for each that does not stand completely."""
    for wall, missing in report.items():
        wall_stands.labels(child, wall).set(not missing)
    standing = ", ".join(wall for wall, missing in report.items() if not missing)
    if missing := "; ".join(f"{wall}: {why}" for wall, why in report.items() if why):
        LOG.warning(
            "some walls around a child process are missing",
            child=child,
            standing=standing,
            missing=missing,
            action="files are read behind the walls that stand; docs/security.md says what each one is for",
        )
    else:
        LOG.info("all walls around a child process stand", child=child, standing=standing)
