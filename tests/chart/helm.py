"""Run Helm 4, and Helm 3 for what has to work with both. `installation` gives it a cluster in memory."""

import functools
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.chart.objects import Object, Release, found, strings

REPOSITORY = Path(__file__).parents[2]
CHART = REPOSITORY / "deploy" / "helm" / "loupe"
PROGRAMS = REPOSITORY / ".loupe" / "helm"
MAJORS = (4, 3)
NAMESPACE = "loupe"
DEFAULT = "default"
PRODUCTION = "production"
PROFILES = (
    DEFAULT,
    PRODUCTION,
    *sorted(path.name.removesuffix("-values.yaml") for path in CHART.glob("ci/*-values.yaml")),
)
"""The values files in the chart's folder `ci`, those for production, and the default values."""
GIVEN = (
    "existingSecret",
    "existingSecrets",
    "existingClaim",
    "existingConfigMap",
    "imagePullSecrets",
    "serviceAccountName",
)
"""Values under these keys name objects that the chart does not create."""


class Refused(Exception):
    """Helm refused. The message holds its output."""


class _Loader(yaml.CSafeLoader):
    """Loads YAML 1.2 as Kubernetes does: `=` is a string."""


_Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: str(node.value))


def load_all(text: str) -> list[Any]:
    return [one for one in yaml.load_all(text, _Loader) if one]


def load(text: str) -> Any:
    return yaml.load(text, _Loader)  # noqa: S506  a safe loader


def helm(*argv: str, major: int = 4, stdin: str | None = None) -> str:
    """Run Helm with `stdin`, and return its output."""
    program = PROGRAMS / f"helm{major}"
    homes = {f"HELM_{each}_HOME": str(PROGRAMS / "home") for each in ("CACHE", "CONFIG", "DATA")}
    ended = subprocess.run(
        [str(program), *argv],
        env={"PATH": os.environ["PATH"], "HOME": str(PROGRAMS), "KUBECONFIG": "/dev/null", **homes},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise Refused(ended.stderr.strip() or ended.stdout.strip())
    return ended.stdout


def values_of(profile: str) -> tuple[str, ...]:
    if profile == DEFAULT:
        return ()
    file = "values-production.yaml" if profile == PRODUCTION else f"ci/{profile}-values.yaml"
    return ("--values", str(CHART / file))


def template(
    *argv: str,
    chart: Path = CHART,
    name: str = "loupe",
    values: Mapping[str, Any] | None = None,
    major: int = 4,
) -> str:
    """Render the chart. `values` override those of files."""
    stdin = yaml.safe_dump(dict(values)) if values else None
    more = ("--values", "-") if values else ()
    return helm(
        "template", name, str(chart), "--namespace", NAMESPACE, *argv, *more, major=major, stdin=stdin
    )


def release(profile: str = DEFAULT, **values: Any) -> Release:
    """Return what a profile renders to with these additional values."""
    rendered = tuple(load_all(template(*values_of(profile), values=values)))
    merged = _merged(_merged(load((CHART / "values.yaml").read_text()) or {}, _file(profile)), values)
    return Release(objects=rendered, given=_given(merged), namespace=NAMESPACE, values=merged)


@functools.cache
def rendered(profile: str) -> Release:
    """Return what a profile renders to. It is rendered once, and callers must not change it."""
    return release(profile)


def _file(profile: str) -> Object:
    return {} if profile == DEFAULT else load(Path(values_of(profile)[1]).read_text()) or {}


def _merged(base: Object, over: Mapping[str, Any]) -> Object:
    """Merge values as Helm does: maps are merged, everything else is replaced."""
    both = {
        key: _merged(base[key], over[key])
        for key in base.keys() & over.keys()
        if isinstance(base[key], dict) and isinstance(over[key], dict)
    }
    return {**base, **over, **both}


def _given(values: Object) -> frozenset[str]:
    return frozenset(name for key in GIVEN for one in found(values, key) for name in strings(one) if name)
