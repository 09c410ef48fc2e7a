"""What each image holds, in CycloneDX, from the requirements that it is built from: `python sbom.py NAME...`.

Only what is meant for Linux and the image's Python; the same requirements give the same file.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / ".loupe" / "sbom"
LOCKED = re.compile(r"^[\w.-]+==[^\\\n]+(?:\\\n[^\\\n]+)+", re.MULTILINE)
"""A requirement and its hashes."""
BASE = re.compile(r"^ARG PYTHON_IMAGE=python:([\d.]+)", re.MULTILINE)
OF_TRITON = {"models": ("weights",), "triton-cpu": ("triton-cpu", "pytriton")}


def requirements(name: str) -> str:
    """Those of the image that count on its platform, with their hashes."""
    dockerfile = "triton.Dockerfile" if name in OF_TRITON else "Dockerfile"
    found = BASE.search((REPOSITORY / "deploy" / "images" / dockerfile).read_text())
    assert found, f"{dockerfile} names no Python"  # noqa: S101  for the type checker
    where = {"python_version": found[1], "python_full_version": f"{found[1]}.0", "sys_platform": "linux"}
    locked = [
        one
        for file in OF_TRITON.get(name, (name,))
        for one in LOCKED.findall((REPOSITORY / "requirements" / f"{file}.txt").read_text())
    ]
    return "\n".join(one for one in locked if is_meant_for(one, where))


def is_meant_for(locked: str, where: dict[str, str]) -> bool:
    marker = Requirement(locked.partition("\\")[0]).marker
    return marker is None or marker.evaluate(where)


def write(name: str) -> Path:
    target = FOLDER / f"loupe-{name}.json"
    command = [str(Path(sys.executable).with_name("cyclonedx-py")), "requirements"]
    command += ["--output-reproducible", "--of", "JSON", "--output-file", str(target)]
    if name not in OF_TRITON:
        command += ["--pyproject", str(REPOSITORY / "services" / name / "pyproject.toml")]
    # requirements tell no tree of dependencies, of which it warns each time
    env = os.environ | {"PYTHONWARNINGS": "ignore"}
    subprocess.run([*command, "-"], input=requirements(name), text=True, env=env, check=True)
    return target


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:]:
        sys.stdout.write(f"{write(name).relative_to(REPOSITORY)}\n")


if __name__ == "__main__":
    main()
