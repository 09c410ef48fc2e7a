"""`python -m tests.bench.kinds [FOLDER]`: what `auto` takes pictures of Debian's packages for.

FOLDER holds one folder a package, as `dpkg-deb -x` unpacks it. What is missing is downloaded there with
`apt-get download`; without apt it is left out. Each picture is judged as it is, and as a JPEG of quality 80.
"""

import argparse
import io
import random
import subprocess
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from imagefile.jpeg_quality import jpeg_quality
from inference.networks.auto import match_rule
from inference.picture import Picture
from loupe_local.state import REPOSITORY

FOLDER = REPOSITORY / ".loupe" / "kinds"
LARGEST_PIXELS, SHORTEST_SIDE, SMALLEST_BYTES = 30_000_000, 100, 15_000
JPEG_QUALITY, JPEG_SIDE = 80, 900
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
WHITE = (255, 255, 255, 255)


@dataclass(frozen=True, slots=True)
class Source:
    """Pictures of one kind in a package."""

    kind: str
    package: str
    pattern: str
    most: int


SOURCES = (
    Source("photo", "mate-backgrounds", "**/nature/*", 30),
    Source("photo", "gimp-help-en", "**/*.jpg", 60),
    Source("photo", "ukui-wallpapers", "**/*.jpg", 12),
    Source("photo", "lomiri-wallpapers-16.04", "**/*.jpg", 30),
    Source("photo", "lomiri-wallpapers-20.04", "**/*.jpg", 30),
    Source("drawing", "renpy-thequestion", "**/images/*", 30),
    Source("drawing", "renpy-demo", "**/images/*", 30),
    Source("drawing", "fillets-ng-data", "**/*.png", 60),
    Source("drawing", "frozen-bubble-data", "**/*.png", 30),
    Source("drawing", "tuxpaint-data", "**/starters/*", 60),
    Source("drawing", "openclipart-png", "**/*.png", 120),
    Source("drawing", "pingus-data", "**/*.png", 30),
    Source("screenshot", "debian-handbook", "**/en-US/**/*.png", 60),
    Source("screenshot", "gimp-help-en", "**/en/**/*.png", 60),
    Source("screenshot", "gnome-user-docs", "**/*.png", 40),
)


def unpack(package: str, folder: Path) -> None:
    """Download and unpack a package, unless it is there."""
    if (folder / package).exists():
        return
    with tempfile.TemporaryDirectory() as downloads:
        done = subprocess.run(
            ["apt-get", "download", package], cwd=downloads, capture_output=True, check=False
        )
        for file in Path(downloads).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", file, folder / package], check=True)
    if done.returncode:
        print(f"{package} is left out: it cannot be downloaded")


def pictures(folder: Path) -> Iterator[tuple[str, Image.Image, bool]]:
    """Yield the kind of each picture, the picture, and whether it is a JPEG."""
    choice = random.Random(1)
    for source in SOURCES:
        files = sorted(
            path
            for path in (folder / source.package).glob(source.pattern)
            if path.suffix.lower() in SUFFIXES and path.is_file() and path.stat().st_size > SMALLEST_BYTES
        )
        choice.shuffle(files)
        found = 0
        for path in files:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # such a picture is left out
                image = Image.open(path)
            if image.width * image.height > LARGEST_PIXELS or min(image.size) < SHORTEST_SIDE:
                continue
            found += 1
            yield source.kind, image, image.format == "JPEG"
            if found == source.most:
                break


def as_it_is(image: Image.Image, *, is_jpeg: bool) -> Picture:
    quality = jpeg_quality(getattr(image, "quantization", None)) if is_jpeg else None
    samples = np.asarray(image.convert("RGBA"))
    alpha = np.ascontiguousarray(samples[:, :, 3])
    return Picture(
        np.ascontiguousarray(samples[:, :, :3]),
        "JPEG" if is_jpeg else "PNG",
        alpha=None if alpha.min() == WHITE[3] else alpha,
        is_lossless=not is_jpeg,
        jpeg_quality=quality,
    )


def as_jpeg(image: Image.Image) -> Picture:
    opaque = Image.new("RGBA", image.size, WHITE)
    opaque.alpha_composite(image.convert("RGBA"))
    opaque.thumbnail((JPEG_SIDE, JPEG_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    opaque.convert("RGB").save(buffer, "JPEG", quality=JPEG_QUALITY)
    return as_it_is(Image.open(buffer), is_jpeg=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for package in dict.fromkeys(source.package for source in SOURCES):
        unpack(package, folder)
    counts: Counter[tuple[str, str, str]] = Counter()
    for kind, image, is_jpeg in pictures(folder):
        counts["as it is", kind, match_rule(as_it_is(image, is_jpeg=is_jpeg)).reason] += 1
        counts["JPEG 80", kind, match_rule(as_jpeg(image)).reason] += 1
    reasons = sorted({reason for _, _, reason in counts})
    print("| kind | form |", *(f"`{reason}` |" for reason in reasons))
    print("|---|---|" + "---|" * len(reasons))
    for form, kind in dict.fromkeys((form, kind) for form, kind, _ in counts):
        print(f"| {kind} | {form} |", *(f"{counts[form, kind, reason]} |" for reason in reasons))


if __name__ == "__main__":
    main()
