"""Check scale and photos before anything starts, by the rules and in the words of the API."""

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from common import errors
from imagefile.formats import READABLE
from images.formats.header import Header, too_large_text
from images.formats.sniff import everyday_name, sniff, unknown_text
from images.settings import Settings
from images.uploads import sizing
from images.uploads.output import Output
from loupe.contract import LARGEST_UPLOAD_BYTES, LONGEST_OUTPUT_SIDE, SCALE_FACTORS
from loupe_local.demo.errors import DemoFailed, PhotoRefused

OTHER_KINDS = {
    "a JPEG XL picture": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "a PDF document": rb"%PDF-",
    "a Photoshop file": rb"8BPS",
    "a drawing in SVG": rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg",
    "a raw photo of a camera": rb"FUJIFILMCCD-RAW|II\x1a\0\0\0HEAPCCDR|.{4}ftypcrx |II[RU]\0",
    "a film": rb".{4}ftyp(mp4|isom|qt  |M4V)|\x1aE\xdf\xa3",
}
"""Common kinds of files that Loupe does not read, by a pattern of their first bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """A photo that Loupe accepts."""

    path: Path
    header: Header
    scale: int


def parse_scale(text: str | None) -> int | None:
    """Return the scale factor. None means the largest one that the photo's result allows."""
    if text is None:
        return None
    if re.fullmatch("[0-9]+", text.strip(), re.ASCII) and int(text) in SCALE_FACTORS:
        return int(text)
    *others, last = map(str, SCALE_FACTORS)
    problem = f"it is {text!r}" if text.strip() else "it is empty"
    raise DemoFailed(f"SCALE must be {', '.join(others)} or {last}; {problem}.")


def read(path: Path) -> bytes:
    """Return the content of a photo. Raise `PhotoRefused` if it is too large to be uploaded."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_UPLOAD_BYTES + 1)
    except OSError as error:
        raise PhotoRefused(f"The file cannot be read: {error.strerror}.") from error
    if len(data) > LARGEST_UPLOAD_BYTES:
        size = f"{path.stat().st_size / (1 << 20):.1f} MB"
        raise PhotoRefused(f"{too_large_text(LARGEST_UPLOAD_BYTES)} It has {size}: export it smaller.")
    return data


def check(path: Path, scale: int | None) -> Photo:
    """Return the photo with the scale that it gets. Raise `PhotoRefused` if the API would refuse it."""
    data = read(path)
    if not data:
        raise PhotoRefused("The file is empty.")
    settings = local_settings()
    try:
        header = sniff(data, largest_pixels=settings.largest_input_pixels, accepted=settings.formats)
    except errors.InvalidArgument as error:
        text = _text(error)
        if text == unknown_text(settings.formats):
            raise PhotoRefused(_unknown_text(data), is_unknown=True) from error
        raise PhotoRefused(text) from error
    return Photo(path=path, header=header, scale=_fitting_scale(header, scale, settings))


def local_settings() -> Settings:
    """Return the limits of the service `images`. Variables such as
    IMAGES_LARGEST_INPUT_PIXELS change them.
    """
    return Settings(
        database_url="",
        nats_url="",
        auth_target="",
        billing_target="",
        outbound_target="",
        client_secret=SecretStr(""),
        s3_endpoint="",
        s3_public_endpoint="",
        s3_access_key="",
        s3_secret_key=SecretStr(""),
    )


def _fitting_scale(header: Header, scale: int | None, settings: Settings) -> int:
    """Return `scale`, or the largest possible one if it is None. Raise `PhotoRefused` if none is possible."""
    refusals: dict[int, str] = {}
    for factor in SCALE_FACTORS:
        limits = sizing.Limits(
            factor, LONGEST_OUTPUT_SIDE, settings.largest_output_pixels, settings.largest_animation_pixels
        )
        try:
            Output().result_size(header, sizing.Options(scale_factor=factor), limits)
        except errors.InvalidArgument as error:
            refusals[factor] = _text(error)
    possible = [factor for factor in SCALE_FACTORS if factor not in refusals]
    if scale is None and possible:
        return possible[-1]
    requested = scale or SCALE_FACTORS[0]
    if requested in possible:
        return requested
    hint = f" Possible here: SCALE={' or '.join(map(str, possible))}." if possible else ""
    raise PhotoRefused(refusals[requested] + hint)


def _unknown_text(data: bytes) -> str:
    """Return what the content of a file is, if it is of a common kind, and what Loupe reads."""
    known = ", ".join(map(everyday_name, READABLE))
    kind = next((kind for kind, pattern in OTHER_KINDS.items() if re.match(pattern, data, re.DOTALL)), None)
    if kind is None:
        return f"Its content is no picture that Loupe reads ({known})."
    return f"It is {kind}, which Loupe does not read. Export it as one of: {known}."


def _text(error: errors.InvalidArgument) -> str:
    return " ".join(text for texts in error.fields.values() for text in texts)
