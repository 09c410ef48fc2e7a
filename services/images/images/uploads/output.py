"""The options of an image other than its size, such as model, format, quality and how long it is kept."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from common import errors
from imagefile.formats import CHOICES, FORMATS, WRITABLE, Format, keeps_all
from images.catalogue import AUTO
from images.domain import expiry, work
from images.formats.header import Header
from images.tables import Image
from images.uploads import sizing
from loupe.images.v1 import images_pb2 as pb
from loupe.images.v1.known_models import KNOWN_MODELS

METADATA = {"strip": False, "keep": True}
QUALITIES, RESOLUTIONS = (1, 100), (1, 65_535)
WITH_LEVELS = [model.name for model in KNOWN_MODELS if model.denoise]
"""The models that have levels of denoising."""
WITH_LEVELS_TEXT = ", ".join([AUTO, *WITH_LEVELS[:-1]]) + f" or {WITH_LEVELS[-1]}"
LEVELS = (0, max(level for model in KNOWN_MODELS for level in model.denoise))
LIFETIMES = (expiry.SHORTEST_SECONDS, expiry.LONGEST_SECONDS)
Form = pb.UpscaleRequest.Options | pb.CreateBatchRequest.Options


class Fit(StrEnum):
    STRETCH = "stretch"
    COVER = "cover"
    CONTAIN = "contain"


class Precision(StrEnum):
    AUTO = "auto"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Output:
    """The checked options of one result."""

    format: Format | None = None
    """None selects the original's format, or the one that `imagefile.formats` has in `becomes`."""
    quality: int | None = None
    """1 to 100. None selects the encoder's default."""
    fit: Fit = Fit.STRETCH
    keeps_metadata: bool = False
    model: str = AUTO
    denoise: int | None = None
    """The level of denoising. None lets the worker choose."""
    strength: float | None = None
    """The share of `enhance` over `faithful`, 0 to 1. None is all of it."""
    precision: Precision = Precision.AUTO
    dpi: int | None = None
    """Pixels an inch. None keeps the original's."""
    expires_in: int | None = None
    """Seconds from the image's end until it is deleted. None keeps it."""

    def work_kind(self, scale: int, *, is_worn: bool) -> str:
        """Return the kind of work of an image with these options."""
        return work.kind_of(work.model_of(self.model, self.strength), scale, is_worn=is_worn)

    def format_for(self, header: Header) -> Format:
        """Return the format of the result."""
        if self.format:
            return self.format
        if header.frames > 1 and keeps_all(header.format, header.format):
            return header.format
        return (
            becomes if _holds(becomes := FORMATS[header.format].becomes or header.format, header) else "PNG"
        )

    def frames_for(self, header: Header) -> int:
        """Return the number of frames of the result."""
        return header.frames if keeps_all(self.format_for(header), header.format) else 1

    def result_size(self, header: Header, sizes: sizing.Options, limits: sizing.Limits) -> sizing.Size:
        """Return the size of the result. Raise `InvalidArgument` with the option at fault."""
        longest = WRITABLE[self.format_for(header)].limits.longest_side
        size = sizing.output_size(
            header.width, header.height, sizes, limits.within(longest, self.frames_for(header))
        )
        if problem := self.size_problem(header, *size):
            raise errors.invalid({"output_format" if self.format else sizes.field: [problem]})
        return size

    def size_problem(self, header: Header, width: int, height: int) -> str:
        """Return why the encoder cannot hold a result of this size, or an empty string if it can."""
        file_format = self.format_for(header)
        title, limits = FORMATS[file_format].title, WRITABLE[file_format].limits
        if header.frames > 1:
            most, kind, instead = limits.frame_pixels, f"a frame of an animated {title}", "a smaller one"
        else:
            instead = "the output format jpeg or png"
            if self._is_lossy_and_opaque(header):
                most, kind = limits.lossy_pixels, f"a lossy {title}"
            else:
                article = "an" if title.startswith("A") else "a"
                most, kind = limits.other_pixels, f"{article} {title} that is lossless or transparent"
        if most is None or width * height <= most:
            return ""
        return f"The result has {width} x {height} pixels; {kind} has at most {most}: ask for {instead}."

    def write_to(self, row: Image) -> None:
        """Set the columns of a new image that hold these options. `upscaled_format` needs the header too."""
        row.fit = self.fit
        row.quality = self.quality
        row.keeps_metadata = self.keeps_metadata
        row.model_asked = self.model
        row.precision = self.precision
        row.dpi = self.dpi
        row.denoise_asked = self.denoise
        row.strength_asked = self.strength
        row.expires_in = self.expires_in

    def _is_lossy_and_opaque(self, header: Header) -> bool:
        """Return whether the result is lossy and has no alpha. `contain` adds a transparent border."""
        is_opaque = not header.has_alpha and self.fit != Fit.CONTAIN
        return is_opaque and (header.is_lossy or self.quality is not None)


def _holds(file_format: Format, header: Header) -> bool:
    """Return whether a still result in this format loses neither alpha nor bits of the original."""
    writing = WRITABLE[file_format]
    return header.depth <= max(writing.bit_depths) and (writing.alpha or not header.has_alpha)


def parse(form: Form, models: Collection[str]) -> Output:
    """Return the options from the texts of a form. An empty text counts as not sent.

    `models` are the names that clients may request. Raise `InvalidArgument` with every field at fault.
    """
    fit, output_format, metadata, model = form.fit, form.output_format, form.metadata, form.model
    fields: dict[str, list[str]] = {}
    choices = (
        ("fit", fit, [*Fit]),
        ("output_format", output_format.lower(), CHOICES),
        ("metadata", metadata, METADATA),
        ("model", model, models),
        ("precision", form.precision, [*Precision]),
    )
    for name, text, allowed in choices:
        if text and text not in allowed:
            fields[name] = [errors.choice_text(name, allowed)]
    quality = sizing.parse_integer("quality", form.quality, QUALITIES, fields)
    dpi = sizing.parse_integer("dpi", form.dpi, RESOLUTIONS, fields)
    denoise = sizing.parse_integer("denoise", form.denoise, LEVELS, fields)
    expires_in = sizing.parse_integer("expires_in", form.expires_in, LIFETIMES, fields)
    if "denoise" not in fields and (problem := _denoise_problem(form.denoise, model or AUTO)):
        fields["denoise"] = [problem]
    if problem := _strength_problem(form.strength, model or AUTO, models):
        fields["strength"] = [problem]
    if fields:
        raise errors.invalid(fields)
    return Output(
        format=CHOICES[output_format.lower()] if output_format else None,
        quality=quality,
        fit=Fit(fit or Fit.STRETCH),
        keeps_metadata=METADATA[metadata or "strip"],
        model=model or AUTO,
        precision=Precision(form.precision or Precision.AUTO),
        dpi=dpi,
        denoise=denoise,
        strength=round(float(form.strength), 2) if form.strength else None,
        expires_in=expires_in,
    )


def _denoise_problem(text: str, model: str) -> str:
    """Return why the model cannot be used with a level of denoising, or an empty string."""
    if not text or model == AUTO or model in WITH_LEVELS:
        return ""
    return (
        f"The model {model} has no levels of denoising: leave the field out, or ask for {WITH_LEVELS_TEXT}."
    )


def _strength_problem(text: str, model: str, models: Collection[str]) -> str:
    """Return why the strength cannot be used, or an empty string. `models` are those that are served."""
    if not text:
        return ""
    if not _is_share(text.strip()):
        return "The strength must be a number between 0 and 1."
    if model != work.ENHANCE:
        return f"The model {model} has no strength: leave the field out, or ask for {work.ENHANCE}."
    if work.FAITHFUL not in models and round(float(text), 2) < 1:
        return f"The strength must be 1, because the model {work.FAITHFUL} is not served."
    return ""


def _is_share(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"[0-9.][0-9.e-]{0,29}", text)) and float(text) <= 1
    except ValueError:
        return False
