"""Write an SBOM for each image, in CycloneDX: `python sbom.py NAME...`.

The packages come from the locked requirements that the image is built from, without those for another
platform. The same requirements always give the same file.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / ".loupe" / "sbom"
LOCKED = re.compile(r"^[\w.-]+==[^\\\n]+(?:\\\n[^\\\n]+)+", re.MULTILINE)
"""A requirement and its hashes."""
PYTHON = re.compile(r"^ARG PYTHON_IMAGE=python:([\d.]+)", re.MULTILINE)
REQUIREMENTS = {"models": ("weights",), "triton-cpu": ("triton-cpu", "pytriton")}
"""Requirements that triton.Dockerfile installs. The requirements of a service have the service's name."""


def requirements(name: str) -> str:
    """Return the requirements that are installed in the image, with their hashes."""
    dockerfile = "triton.Dockerfile" if name in REQUIREMENTS else "Dockerfile"
    found = PYTHON.search((REPOSITORY / "deploy" / "images" / dockerfile).read_text())
    assert found, f"{dockerfile} names no Python"  # noqa: S101  for the type checker
    platform = {"python_version": found[1], "python_full_version": f"{found[1]}.0", "sys_platform": "linux"}
    locked = [
        requirement
        for file in REQUIREMENTS.get(name, (name,))
        for requirement in LOCKED.findall((REPOSITORY / "requirements" / f"{file}.txt").read_text())
    ]
    return "\n".join(requirement for requirement in locked if is_installed_on(platform, requirement))


def is_installed_on(platform: dict[str, str], locked: str) -> bool:
    marker = Requirement(locked.partition("\\")[0]).marker
    return marker is None or marker.evaluate(platform)


def write(name: str) -> Path:
    """Write the image's SBOM and return its path."""
    target = FOLDER / f"loupe-{name}.json"
    command = [str(Path(sys.executable).with_name("cyclonedx-py")), "requirements"]
    # validation takes five times as long as the rest; a test validates the result instead
    command += ["--output-reproducible", "--no-validate", "--of", "JSON", "--output-file", str(target), "-"]
    # stderr always holds a warning: requirements do not say which package needs which
    done = subprocess.run(command, input=requirements(name), text=True, check=False, capture_output=True)
    if done.returncode:
        sys.exit(f"cyclonedx-py failed for {name}:\n{done.stderr}")
    bill = json.loads(target.read_text())
    bill["metadata"]["component"] = {
        "bom-ref": "root-component",
        "type": "container",
        "name": f"loupe-{name}",
        "version": (REPOSITORY / "VERSION").read_text().strip(),
        "licenses": [{"license": {"acknowledgement": "declared", "id": "Apache-2.0"}}],
    }
    target.write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")
    return target


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:]:
        sys.stdout.write(f"{write(name).relative_to(REPOSITORY)}\n")


if __name__ == "__main__":
    main()
