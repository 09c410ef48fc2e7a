"""The classes and functions that the entries of the table of formats consist of."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from imagefile.limits import Limits


def always(_: bytes) -> bool:
    return True


def never(_: bytes) -> bool:
    return False


def no_feature(_: bytes) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Functions that recognise a file of the format and check it before any other parser reads it."""

    signature: re.Pattern[bytes]
    """Matches the first bytes of the format's files, but not those of a file that Pillow refuses by its first
    bytes.
    """
    walk: Callable[[bytes], None]
    """Raises `ParserBomb` for a file with too many parts."""
    is_complete: Callable[[bytes], bool]
    """Whether the file is not cut off. May raise any error for a file that is damaged."""
    is_lossy: Callable[[bytes], bool]
    """Whether the file was compressed with loss."""
    animated: bool = False
    """Whether all frames are read, and not only the first."""
    for_decoder: Callable[[bytes], bytes] = bytes
    """Returns what the decoder gets of the file: the picture, and what describes it. May raise any error for
    a file that is damaged.
    """
    unsupported_feature: Callable[[bytes], str] = no_feature
    """Returns the feature that the decoder does not support, or an empty string."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Properties of a result in the format."""

    choices: tuple[str, ...]
    """Values of `output_format`; empty if clients cannot choose the format."""
    alpha: bool
    animated: bool
    """Whether a result may be an animation."""
    bit_depths: tuple[int, ...]
    """Bits a sample."""
    has_quality: bool
    limits: Limits = field(default_factory=Limits)
    keeps_all_of: tuple[str, ...] = ()
    """The formats whose frames or pages a result keeps. Of others it has the first."""
