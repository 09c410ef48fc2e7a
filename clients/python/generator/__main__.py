"""Write the generated parts of the clients: the models of both, the table of formats of the Python client and
of the console, and the synchronous twin of the Python client.

With --check it changes nothing, and fails if a file is not current.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from generator.formats import render_python, render_typescript
from generator.models import described_answers, render_models
from generator.twin import to_sync
from generator.typescript import render_interfaces

PACKAGE = Path(__file__).parents[1] / "loupe_client"
ROOT = Path(__file__).parents[3]
TYPESCRIPT_MODELS = ROOT / "clients" / "typescript" / "src" / "models.ts"
CONSOLE_FORMATS = ROOT / "console" / "src" / "api" / "formats.ts"


def formatted(text: str, path: Path) -> str:
    """Return the text as ruff formats the file of this path, without unused and doubled imports."""
    for command in (("check", "--quiet", "--fix-only", "--select", "I,F401,F811"), ("format",)):
        ruff = [str(Path(sys.executable).parent / "ruff"), *command, "--stdin-filename", str(path), "-"]
        text = subprocess.run(ruff, input=text, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return text


def generated() -> Iterator[tuple[Path, str]]:
    """Yield each generated file with its content."""
    schemas, names = described_answers()
    models = PACKAGE / "models.py"
    yield models, formatted(render_models(schemas, names), models)
    yield TYPESCRIPT_MODELS, render_interfaces(schemas, names)
    formats = PACKAGE / "formats.py"
    yield formats, formatted(render_python(), formats)
    yield CONSOLE_FORMATS, render_typescript()
    for source in sorted((PACKAGE / "_async").glob("*.py")):
        target = PACKAGE / "_sync" / source.name
        yield target, formatted(to_sync(source.read_text(), source.name), target)


def main() -> None:
    changed = [
        (path, text)
        for path, text in generated()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        if changed:
            names = ", ".join(str(path.relative_to(ROOT)) for path, _ in changed)
            sys.exit(f"generated code is not current: run make client. It concerns {names}")
        return
    for path, text in changed:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
