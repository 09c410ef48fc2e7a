"""Makes the previews of a job beside its work: of the original from its pixels, of the result from its rows
as they are written. A fault here never fails a job: the image then lacks that preview.
"""

import asyncio
import contextlib
from asyncio import to_thread
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, field

import numpy as np

from common import log
from imagefile.formats import FORMATS, WRITABLE, Format
from inference.picture import Header, Picture, Pixels
from inference.previews.colours import Colours
from inference.previews.pyramid import PyramidWriter
from inference.previews.small import SmallPicture
from inference.sizing import WriteRows

LOG = log.get(__name__)
ORIGINAL, RESULT = "original", "result"
LARGEST_SHOWN_PIXELS = 64_000_000
ROWS_AT_ONCE = 256

Files = dict[str, bytes]
"""Previews by the ends of their keys, `loupe.contract.PREVIEWS`."""
Watch = Callable[[Header], WriteRows]
"""Takes the header of a result's first picture. Returns what takes its rows, beside the encoder."""


@dataclass(frozen=True, slots=True)
class PreviewRules:
    is_on: bool = True
    largest_shown_pixels: int = LARGEST_SHOWN_PIXELS
    """Larger pictures get a pyramid, whatever their format."""

    def needs_pyramid(self, file_format: Format, pixels: int) -> bool:
        return not FORMATS[file_format].is_for_browsers or pixels > self.largest_shown_pixels


class SidePreviews:
    """The preview of one picture, and its pyramid if it needs one. Methods block, so they run in a thread."""

    def __init__(self, side: str, header: Header, *, has_pyramid: bool, is_lossless: bool = False) -> None:
        """`is_lossless` says whether the picture's file is, and therefore the pyramid at full size."""
        colours = Colours(header)
        self._makers: dict[str, SmallPicture | PyramidWriter] = {
            f"{side}.webp": SmallPicture(header, colours)
        }
        if has_pyramid:
            self._makers[f"{side}.pyramid"] = PyramidWriter(header, colours, is_lossless=is_lossless)

    def write(self, rows: Pixels) -> None:
        """Take the next rows, height x width x channels with alpha last."""
        for name in list(self._makers):
            with self._forgiving(name):
                self._makers[name].write(rows)

    def finish(self) -> Files:
        """Return what could be made."""
        files: Files = {}
        for name in list(self._makers):
            with self._forgiving(name):
                files[name] = self._makers[name].finish()
        return files

    @contextlib.contextmanager
    def _forgiving(self, name: str) -> Generator[None]:
        try:
            yield
        except Exception:
            LOG.exception("could not make a preview; the image completes without it", preview=name)
            self._makers.pop(name)


@dataclass
class JobPreviews:
    """The previews of one job."""

    rules: PreviewRules
    result_format: Format
    is_on: bool = True
    """False if `images` has no place for them."""
    files: Files = field(default_factory=Files)
    """The previews that were made, once the block of `beside` has ended."""
    _result: SidePreviews | None = None

    @contextlib.asynccontextmanager
    async def beside(self, original: Picture) -> AsyncGenerator[Watch | None]:
        """Make the original's previews during the block. What is passed to the `Watch` makes the result's."""
        if not (self.is_on and self.rules.is_on):
            yield None
            return
        making = asyncio.create_task(to_thread(previews_of, original, self.rules))
        try:
            yield self._watch
            self.files |= await making
            if self._result:
                self.files |= await to_thread(self._result.finish)
        finally:
            making.cancel()

    def _watch(self, header: Header) -> WriteRows:
        has_pyramid = self.rules.needs_pyramid(self.result_format, header.width * header.height)
        is_lossless = not WRITABLE[self.result_format].has_quality
        self._result = SidePreviews(RESULT, header, has_pyramid=has_pyramid, is_lossless=is_lossless)
        return self._result.write


def beside(write: WriteRows, header: Header, watch: Watch | None) -> WriteRows:
    """Return what passes the rows of a result to its previews, and then to `write`."""
    if watch is None:
        return write
    write_preview = watch(header)

    def write_both(rows: Pixels) -> None:
        write_preview(rows)
        write(rows)

    return write_both


def previews_of(original: Picture, rules: PreviewRules) -> Files:
    """Return the previews of a decoded original."""
    has_pyramid = rules.needs_pyramid(original.source_format, original.width * original.height)
    header = original.header(original.size)
    side = SidePreviews(ORIGINAL, header, has_pyramid=has_pyramid, is_lossless=original.is_lossless)
    for top in range(0, original.height, ROWS_AT_ONCE):
        side.write(rows_with_alpha(original, top, top + ROWS_AT_ONCE))
    return side.finish()


def rows_with_alpha(picture: Picture, top: int, bottom: int) -> Pixels:
    """Return some rows of a picture as its header announces them: with alpha last if the file has it."""
    rows = picture.pixels[top:bottom]
    if not picture.has_alpha:
        return rows
    opaque = np.iinfo(rows.dtype).max
    alpha = (
        np.full(rows.shape[:2], opaque, rows.dtype) if picture.alpha is None else picture.alpha[top:bottom]
    )
    return np.concatenate((rows, alpha[:, :, np.newaxis]), axis=2)
