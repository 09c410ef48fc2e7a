"""Package the chart for a release: `python chart.py REGISTRY DIGESTS TARGET`.

The chart then names every image of Loupe by the registry and by the digest that was built, so that nobody
has to set them. DIGESTS is a folder as `digests.py` describes it.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import digests
import version

HELM = version.ROOT / ".loupe" / "helm" / "helm4"
REGISTRY = re.compile(r'(?m)^(image:\n  registry: )""$')
IMAGE = re.compile(r'(repository: loupe-([a-z-]+), tag: "", digest: )""')
RENDERED = re.compile(r"image: \"?([^\s\"]*/loupe-[^\s\"]+)")
PROFILES = ("cpu", "gpu")
"""The values of `inference.profile`, which together use every image."""


class NotFilled(Exception):
    """The chart does not name the images that were built; the message says which."""


def fill(values: str, registry: str, built: dict[str, str]) -> str:
    """Return values.yaml with the registry and the digests, by name of the image."""
    named = {name for _, name in IMAGE.findall(values)}
    if named != built.keys() or len(REGISTRY.findall(values)) != 1:
        raise NotFilled(
            f"values.yaml names the images {', '.join(sorted(named))}; built were {', '.join(sorted(built))}"
        )
    values = REGISTRY.sub(rf'\g<1>"{registry}"', values)
    return IMAGE.sub(lambda found: f'{found[1]}"{built[found[2]]}"', values)


def package(chart: Path, registry: str, built: dict[str, str], target: Path) -> Path:
    """Package the chart with these images into the folder, and return the package's path."""
    with TemporaryDirectory(prefix="loupe-chart-") as folder:
        copy = Path(folder) / chart.name
        shutil.copytree(chart, copy)
        values = copy / "values.yaml"
        values.write_text(fill(values.read_text(), registry, built))
        command = [HELM, "package", copy, "--destination", target]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    [made] = target.glob(f"{chart.name}-*.tgz")
    return made


def prove(chart: Path, registry: str, names: list[str], wanted: str) -> list[str]:
    """Package the chart with digests that stand for real ones, render the package, and return its images.

    Raise `NotFilled` unless they are exactly those of the release.
    """
    built = {name: f"sha256:{hashlib.sha256(name.encode()).hexdigest()}" for name in names}
    with TemporaryDirectory(prefix="loupe-chart-") as folder:
        made = package(chart, registry, built, Path(folder))
        images = {image for profile in PROFILES for image in RENDERED.findall(_rendered(made, profile))}
    expected = {f"{registry}/loupe-{name}:{wanted}@{digest}" for name, digest in built.items()}
    if images != expected:
        raise NotFilled(f"the packaged chart names {images - expected}, and lacks {expected - images}")
    return sorted(images)


def _rendered(made: Path, profile: str) -> str:
    command = [HELM, "template", "loupe", made, "--set", f"inference.profile={profile}"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    registry, folder, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    try:
        made = package(version.ROOT / "deploy/helm/loupe", registry, digests.read(folder), target)
    except NotFilled as problem:
        sys.exit(str(problem))
    sys.stdout.write(f"{made}\n")


if __name__ == "__main__":
    main()
