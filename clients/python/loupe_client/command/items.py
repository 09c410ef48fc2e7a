"""Finds the files to upscale, one after the other, and names their results."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from loupe_client.errors import InvalidInput
from loupe_client.pictures import expected_suffix, is_same_format
from loupe_client.sources import is_link


@dataclass(frozen=True)
class Item:
    """A file or a link, and where its result goes."""

    source: str
    """The path, or the link."""
    shown: str
    """Its name for a person."""
    output: Path
    """The path of the result, with the suffix that it will probably have."""
    root: Path
    """The folder whose manifest knows it."""
    is_found: bool = False
    """Whether it was found in a folder, so that it may be no picture."""

    @property
    def is_link(self) -> bool:
        return is_link(self.source)


@dataclass(frozen=True)
class Naming:
    """The rules by which results are named."""

    output: Path | None
    """The output that the user chose: a folder, or a file for one source."""
    is_file: bool
    """Whether `output` is the file itself."""
    label: str
    """Stands in the names of results beside their originals, such as `@4x`."""
    format: str | None

    def beside(self, path: Path) -> Path:
        suffix = expected_suffix(path.suffix, self.format)
        return path.with_name(f"{path.stem}{self.label}{suffix}")

    def within(self, folder: Path, relative: Path) -> Path:
        return folder / relative.with_suffix(expected_suffix(relative.suffix, self.format))


def naming_of(sources: Sequence[str], output: str | None, label: str, chosen_format: str | None) -> Naming:
    """Return how the results of these sources are named. Raise `InvalidInput` for a file for several."""
    if output is None:
        return Naming(None, False, label, chosen_format)
    path = Path(output)
    is_folder = output.endswith(("/", os.sep)) or path.is_dir() or (not path.suffix and not path.exists())
    is_one = len(sources) == 1 and not Path(sources[0]).is_dir()
    if not is_folder and not is_one:
        raise InvalidInput(
            f"{output} is one file, and there are several results: name a folder, as {output}/"
        )
    return Naming(path, not is_folder, label, chosen_format)


def items_of(sources: Sequence[str], naming: Naming, *, recursive: bool) -> Iterator[Item]:
    """Yield each file and each link, and never hold them all. Folders keep their tree.

    Raise `InvalidInput` if a source does not exist.
    """
    several = len(sources) > 1
    for source in sources:
        path = Path(source)
        if is_link(source):
            yield of_link(source, naming)
        elif path.is_dir():
            yield from of_folder(path, naming, recursive=recursive, is_one_of_several=several)
        elif path.exists():
            target = placed(naming, naming.beside(path), Path(path.name))
            target = target if naming.is_file else apart(path, target)
            yield Item(source, source, target, root_of(naming, target))
        else:
            raise InvalidInput(f"There is no file or folder {source}.")


def of_link(link: str, naming: Naming) -> Item:
    name = Path(unquote(urlsplit(link).path)).name or "image"
    target = placed(naming, naming.beside(Path(name)), Path(name))
    return Item(link, link, target, root_of(naming, target))


def of_folder(folder: Path, naming: Naming, *, recursive: bool, is_one_of_several: bool) -> Iterator[Item]:
    absolute = Path(os.path.abspath(folder))  # noqa: PTH100  it resolves no symbolic link
    beside = folder if folder.name == absolute.name else absolute
    root = naming.output or beside.with_name(absolute.name + naming.label)
    place = root / absolute.name if is_one_of_several and naming.output else root
    left_out = os.path.realpath(root)
    try:
        for path in files_below(folder, left_out, recursive=recursive):
            target = apart(path, naming.within(place, path.relative_to(folder)))
            yield Item(str(path), str(path), target, root, is_found=True)
    except OSError as error:
        raise InvalidInput(f"The folder {folder} cannot be read: {error.strerror}") from error


def files_below(folder: Path, left_out: str, *, recursive: bool) -> Iterator[Path]:
    """Yield the files of a folder in the order of their names, without hidden ones and without results.

    Links that lead nowhere and folders that cannot be read are among them, so that the run reports them.
    Raise `OSError` if the folder itself cannot be read.
    """
    with os.scandir(folder) as scanned:
        entries = sorted(scanned, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if not entry.is_dir(follow_symlinks=False):
            yield Path(entry.path)
        elif recursive and os.path.realpath(entry.path) != left_out:
            try:
                yield from files_below(Path(entry.path), left_out, recursive=True)
            except OSError:
                yield Path(entry.path)


def placed(naming: Naming, beside: Path, name: Path) -> Path:
    if naming.output is None:
        return beside
    return naming.output if naming.is_file else naming.within(naming.output, name)


def apart(source: Path, target: Path) -> Path:
    """Return the path of the result with the suffix of its original, if another original has its name.

    Beside `a.jpg`, the JPEG of `a.heic` is `a.heic.jpg`, whichever of them is sent first.
    """
    if is_same_format(source.suffix, target.suffix):
        return target
    others = (source.with_suffix(suffix) for suffix in (target.suffix, target.suffix.upper()))
    if any(other.exists() for other in others):
        return target.with_name(target.stem + source.suffix + target.suffix)
    return target


def root_of(naming: Naming, target: Path) -> Path:
    return target.parent if naming.output is None or naming.is_file else naming.output
