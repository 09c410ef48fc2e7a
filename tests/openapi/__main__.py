"""Checks that /openapi.json breaks no client of the last release. With --write it stores the document.

`make release` writes the document of the release. A break that is meant stands in `accepted.txt`, with the
sentence that this check prints, until then.
"""

import json
import sys
from pathlib import Path
from typing import Any

from generator.models import described
from tests.openapi.breaks import breaks

FOLDER = Path(__file__).parent
RELEASED, ACCEPTED = FOLDER / "released.json", FOLDER / "accepted.txt"
TEXTS = ("description", "summary", "example", "examples", "title", "externalDocs")


def without_texts(value: Any, *, are_names: bool = False) -> Any:
    """Return a document without what only people read. The keys of `properties` are names of any kind."""
    if isinstance(value, list):
        return [without_texts(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: without_texts(each, are_names=name in {"properties", "schemas"} and not are_names)
        for name, each in value.items()
        if are_names or name not in TEXTS
    }


def main() -> None:
    if "--write" in sys.argv[1:]:
        RELEASED.write_text(json.dumps(without_texts(described()), separators=(",", ":")) + "\n")
        ACCEPTED.write_text("")
        return
    found = breaks(json.loads(RELEASED.read_text()), described())
    accepted = ACCEPTED.read_text().splitlines()
    if unknown := [each for each in found if each not in accepted]:
        sys.exit("\n".join(["These changes of the API break clients of the last release:", *unknown]))
    if old := [each for each in accepted if each not in found]:
        sys.exit("\n".join(["tests/openapi/accepted.txt names what is no break:", *old]))


if __name__ == "__main__":
    main()
