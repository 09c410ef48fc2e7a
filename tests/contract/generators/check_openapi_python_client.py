"""Imports each module that openapi-python-client has made, and parses each example of openapi.json with them.

It runs in the environment of the generators, in the folder of the package.
"""

import importlib
import json
import pkgutil
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path.cwd()))
package = importlib.import_module("loupe_client")
MODULES = {
    name: importlib.import_module(name)
    for _, name, _ in pkgutil.walk_packages(package.__path__, "loupe_client.")
}
MODELS: Any = MODULES["loupe_client.models"]


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def check(operation: dict[str, Any]) -> int:
    """Parse every example of the operation. Return the number of statuses with a typed answer."""
    [tag] = operation["tags"]
    source = str(MODULES[f"loupe_client.api.{tag}.{snake(operation['operationId'])}"].__file__)
    text = Path(source).read_text(encoding="utf-8")
    for status, answer in operation["responses"].items():
        assert f"response.status_code == {status}:" in text, (operation["operationId"], status)
        if "application/json" not in answer["content"]:
            continue  # the generated client returns what was sent
        media = answer["content"]["application/json"]
        model = getattr(MODELS, media["schema"]["$ref"].rpartition("/")[2])
        single = [media["example"]] if "example" in media else []
        for example in [*single, *(one["value"] for one in media.get("examples", {}).values())]:
            model.from_dict(example).to_dict()
    return len(operation["responses"])


def main() -> None:
    document = json.loads(Path("openapi.json").read_text(encoding="utf-8"))
    operations = [one for methods in document["paths"].values() for one in methods.values()]
    print(f"{len(MODULES)} modules, {sum(map(check, operations))} typed answers")


if __name__ == "__main__":
    main()
