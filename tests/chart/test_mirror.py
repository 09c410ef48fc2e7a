"""The script for clusters without internet lists every image, and where the chart then looks for it."""

import os
import subprocess

import pytest

from tests.chart.helm import CHART, PROFILES, PROGRAMS, release, rendered, values_of
from tests.chart.objects import Release

SCRIPT = CHART.parent / "mirror-images"
MIRROR = "mirror.example.com:5000/loupe"


def images_of(chart: Release) -> set[str]:
    return {one["image"] for pod in chart.pods for one in pod.containers}


@pytest.mark.parametrize("profile", [name for name in PROFILES if name in ("default", "production")])
def test_every_image_is_listed_with_the_place_where_the_chart_looks_for_it(profile: str) -> None:
    done = subprocess.run(
        [SCRIPT, "--list", f"{MIRROR}/", CHART, *values_of(profile)],
        env={"PATH": os.environ["PATH"], "HELM": str(PROGRAMS / "helm4")},
        check=True,
        capture_output=True,
        text=True,
    )

    pairs = [line.split() for line in done.stdout.splitlines()]
    mirrored = release(profile, **{"global": {"imageRegistry": MIRROR}})
    assert {source for source, _ in pairs} == images_of(rendered(profile))
    assert {target for _, target in pairs} == images_of(mirrored)


def test_without_a_chart_it_says_how_to_use_it() -> None:
    done = subprocess.run([SCRIPT, MIRROR], check=False, capture_output=True, text=True)

    assert done.returncode == 2
    assert "usage:" in done.stderr
