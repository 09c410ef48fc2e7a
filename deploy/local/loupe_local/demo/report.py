"""Print what became of each photo, and write the technical facts to `.facts/demo.json`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loupe.contract import SCALE_FACTORS
from loupe_local.demo import results
from loupe_local.demo.checks import Photo
from loupe_local.demo.errors import DemoFailed, PhotoRefused
from loupe_local.demo.paths import printable, shown
from loupe_local.demo.upscaling import Upscaled
from loupe_local.stages import Stages
from loupe_local.state import write

MOST_LISTED = 20
"""Files that were not upscaled and are named again at the end."""


@dataclass(slots=True, kw_only=True)
class Report:
    """The results and refusals so far."""

    stages: Stages
    folder: Path | None
    """The folder that was named instead of one photo."""
    into: Path
    """The folder of the results."""
    images: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    refusals: list[str] = field(default_factory=list[str])
    """The pictures that were not upscaled, each with the reason."""
    skipped: int = 0
    """The files that are no pictures. They may well be in a folder of photos, and are no failure."""

    def add(self, photo: Photo, done: Upscaled, result: Path, comparison: Path | None, *, fits: bool) -> None:
        """Print where the result is. `fits` says that the scale was chosen so that the result is possible."""
        image, seconds = done.image, done.seconds["upload"] + done.seconds["upscale"]
        self.images.append({"photo": printable(str(photo.path)), "image": image, "seconds": done.seconds})
        before = (
            f"{image['original_dimensions_formatted']}{_pictures(photo)} ({image['original_size_human']})"
        )
        after = f"{image['upscaled_dimensions_formatted']} ({image['upscaled_size_human']})"
        self.stages.say("")
        self.stages.say(shown(result))
        self.stages.say(f"  {before} -> {after}, upscaled in {seconds:.1f} s")
        if comparison:
            self.stages.say(f"  before and after: {shown(comparison)}")
        if fits and photo.scale < max(SCALE_FACTORS):
            self.stages.say(f"  x{photo.scale} is the largest scale for a photo of this size")

    def refuse(self, path: Path, error: PhotoRefused) -> None:
        """Print why this photo is not upscaled. Raise `DemoFailed` if it is the only one."""
        if not self.folder:
            raise DemoFailed(f"{shown(path)}: {error}") from error
        if error.is_unknown:
            self.stages.say(f"{shown(path)} is skipped. {error}")
            self.skipped += 1
            return
        self.stages.say(f"{shown(path)}: {error}")
        self.refusals.append(f"{path.name}: {error}")

    def summarise(self) -> None:
        """Print how many photos of a folder were upscaled. Raise `DemoFailed` if one was refused."""
        if not self.folder:
            return
        done, total = len(self.images), len(self.images) + len(self.refusals)
        text = f"{done} of {_counted(total, 'picture')} in {shown(self.folder)} upscaled."
        if self.skipped:
            text += f" {_counted(self.skipped, 'other file')} skipped."
        if self.refusals:
            text += "\nNot upscaled:"
        text += "".join(f"\n  {printable(each)}" for each in self.refusals[:MOST_LISTED])
        if len(self.refusals) > MOST_LISTED:
            text += f"\n  and {len(self.refusals) - MOST_LISTED} more"
        if self.refusals or not done:
            raise DemoFailed(text)
        for line in ("", *text.splitlines()):
            self.stages.say(line)

    def save(self, seconds: Mapping[str, float], worker: Mapping[str, float]) -> None:
        """Write all facts. `worker` holds the seconds that the worker spent in each stage."""
        facts = {"seconds": seconds, "stages": worker, "images": self.images}
        folder = self.into / results.FACTS
        with results.writing(folder):
            write(folder / "demo.json", facts)


def _pictures(photo: Photo) -> str:
    """Return how many pages or frames the photo has, empty if it has one."""
    sequence = photo.header.sequence
    if sequence.sizes:
        return f", {_counted(len(sequence.sizes), sequence.noun)}"
    frames = photo.header.frames
    return f", {_counted(frames, 'frame')}" if frames > 1 else ""


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
