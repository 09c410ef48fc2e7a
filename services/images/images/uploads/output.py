"""How a result is made: model, fit, format, quality, and whether metadata goes along."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from common import errors
from images.catalogue import AUTO
from images.formats.formats import KINDS, MOVING, Format
from images.formats.sniff import Header

FORMATS = {
    "jpeg": Format.JPEG,
    "jpg": Format.JPEG,
    "png": Format.PNG,
    "webp": Format.WEBP,
    "tiff": Format.TIFF,
}
METADATA = {"strip": False, "keep": True}
QUALITIES = (1, 100)
WEBP_PIXELS = 100_000_000
HEAVY_WEBP_PIXELS = 33_554_432
"""Lossless or transparent. libwebp holds whole pictures: 10 bytes a pixel, and of these 25 to 40."""
MOVING_WEBP_PIXELS = 16_777_216
"""Of each frame: libwebp takes up to 50 bytes a pixel of one, beside the others."""


class Fit(StrEnum):
    STRETCH = "stretch"
    COVER = "cover"
    CONTAIN = "contain"


@dataclass(frozen=True, slots=True)
class Output:
    """`format` None: as the original, or what that becomes. `quality` None: the usual one."""

    format: Format | None = None
    quality: int | None = None
    fit: Fit = Fit.STRETCH
    keeps_metadata: bool = False
    model: str = AUTO

    def format_for(self, header: Header) -> Format:
        if self.format:
            return self.format
        if header.frames > 1 and header.format in MOVING:
            return header.format
        return KINDS[header.format].becomes

    def frames_for(self, header: Header) -> int:
        return header.frames if self.format_for(header) in MOVING else 1

    def misfit(self, header: Header, width: int, height: int) -> str:
        """Why a result of this size is too large for a WebP; empty where it is none, or fits."""
        if self.format_for(header) != Format.WEBP:
            return ""
        if header.frames > 1:
            most, kind, instead = MOVING_WEBP_PIXELS, "a frame of an animated WebP", "a smaller one"
        else:
            most, kind = self._webp_bound(header)
            instead = "the output format jpeg or png"
        if width * height <= most:
            return ""
        return f"The result has {width} x {height} pixels; {kind} has at most {most}: ask for {instead}."

    def _webp_bound(self, header: Header) -> tuple[int, str]:
        """A border is transparent."""
        is_opaque = not header.has_alpha and self.fit != Fit.CONTAIN
        if is_opaque and (header.is_lossy or self.quality is not None):
            return WEBP_PIXELS, "a lossy WebP"
        return HEAVY_WEBP_PIXELS, "a WebP that is lossless or transparent"


def parse(
    fit: str, output_format: str, quality: str, metadata: str, model: str, *, models: Collection[str]
) -> Output:
    """Texts as they came in the form; an empty one counts as not sent. `models` are those that are served."""
    fields: dict[str, list[str]] = {}
    if fit and fit not in [*Fit]:
        fields["fit"] = ["The selected fit is invalid."]
    if output_format and output_format.lower() not in FORMATS:
        fields["output_format"] = ["The selected output format is invalid."]
    if metadata and metadata not in METADATA:
        fields["metadata"] = ["The selected metadata is invalid."]
    if model and model not in models:
        fields["model"] = [f"The selected model is invalid: there are {', '.join(models)}."]
    if quality and not re.fullmatch(r"[+-]?[0-9]{1,18}", quality.strip()):
        fields["quality"] = ["The quality must be an integer."]
    elif quality and not QUALITIES[0] <= int(quality) <= QUALITIES[1]:
        fields["quality"] = [f"The quality must be between {QUALITIES[0]} and {QUALITIES[1]}."]
    if fields:
        raise errors.invalid(fields)
    return Output(
        format=FORMATS[output_format.lower()] if output_format else None,
        quality=int(quality) if quality else None,
        fit=Fit(fit or Fit.STRETCH),
        keeps_metadata=METADATA[metadata or "strip"],
        model=model or AUTO,
    )
