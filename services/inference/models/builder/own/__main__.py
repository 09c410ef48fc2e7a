"""Checks an operator's own network and writes its entry: `python -m builder.own FILE --into FOLDER`.

`loupe-admin models check` runs it. FILE is ONNX, or of PyTorch where spandrel is installed, and has a card
beside it, FILE with the suffix .yaml. The report is JSON. It runs in the environment of
requirements/triton.txt.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from builder.errors import Refused


def check(path: Path, card_path: Path, folder: Path | None) -> dict[str, Any]:
    """Return the report, after the entry is written. Raises `Refused`."""
    from builder.own import card as cards  # noqa: PLC0415
    from builder.own import checking  # noqa: PLC0415

    card = cards.read(card_path)
    return checking.check(read(path, card.factor), card, folder)


def read(path: Path, factor: int) -> Any:
    """Return the network. One of PyTorch is converted first. Raises `Refused`."""
    from builder.own import torch_files, wrapping  # noqa: PLC0415

    if path.suffix not in torch_files.SUFFIXES:
        return wrapping.read(str(path))
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder, "network.onnx")
        found = torch_files.convert(path, converted)
        if found != factor:
            raise Refused(f"it enlarges by {found}, and its card says {factor}")
        return wrapping.read(str(converted))


def main() -> int:
    parser = argparse.ArgumentParser(prog="loupe-admin models check", description=__doc__)
    parser.add_argument("file", type=Path, help="the network, as ONNX")
    parser.add_argument("--card", type=Path, help="its card (default: FILE with the suffix .yaml)")
    parser.add_argument("--into", type=Path, help="the folder for its entry; without one it is only measured")
    given = parser.parse_args()
    try:
        report = check(given.file, given.card or given.file.with_suffix(".yaml"), given.into)
    except Refused as error:
        sys.stderr.write(f"{given.file.name} is refused: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"{given.file.name} cannot be checked: {error}\n")
        return 1
    print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
