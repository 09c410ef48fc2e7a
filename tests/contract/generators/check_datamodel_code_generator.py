"""Imports the module that datamodel-code-generator has made, and parses each example of openapi.json with it.

It runs in the environment of the generators, in the folder of the module.
"""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))
MODELS: Any = importlib.import_module("loupe_models")


def main() -> None:
    document = json.loads(Path("openapi.json").read_text(encoding="utf-8"))
    missing = [name for name in document["components"]["schemas"] if not hasattr(MODELS, name)]
    assert not missing, missing
    parsed = 0
    for operation in (one for methods in document["paths"].values() for one in methods.values()):
        for part in (operation.get("requestBody", {"content": {}}), *operation["responses"].values()):
            for media in part["content"].values():
                if "$ref" not in media["schema"]:  # a stream of events
                    continue
                model = getattr(MODELS, media["schema"]["$ref"].rpartition("/")[2])
                single = [media["example"]] if "example" in media else []
                for example in [*single, *(one["value"] for one in media.get("examples", {}).values())]:
                    model.model_validate(example)
                    parsed += 1
    print(f"{parsed} examples")


if __name__ == "__main__":
    main()
