"""Print values for the chart that name each image by its digest: `python digests.py REGISTRY FOLDER`.

The folder holds a file for each image, with the image's name and its digest as the content.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
PATHS = {
    "models": ("inference", "models", "image"),
    "triton-cpu": ("inference", "triton", "cpu", "image"),
}
"""The path of an image in the values, if it is not below the image's own name."""


def read(folder: Path) -> dict[str, str]:
    """Return the digests in the folder, by name of the image."""
    found: dict[str, str] = {}
    for file in sorted(folder.iterdir()):
        digest = file.read_text().strip()
        if not DIGEST.fullmatch(digest):
            sys.exit(f"{file} holds no digest: {digest!r}")
        found[file.name] = digest
    return found


def values(registry: str, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"image": {"registry": registry}}
    for name, digest in read(folder).items():
        section = found
        for key in PATHS.get(name, (name, "image")):
            section = section.setdefault(key, {})
        section["digest"] = digest
    return found


if __name__ == "__main__":
    json.dump(values(sys.argv[1], Path(sys.argv[2])), sys.stdout, indent=2)  # JSON is YAML
    sys.stdout.write("\n")
