"""The kinds of TIFFs that the decoder reads: photometric interpretation, depth, compression and channels.

Every other kind is refused by its name. A kind is in the table only if a test decodes it.
"""

from imagefile.tiff import (
    BITS,
    COLOUR_MAP,
    COMPRESSION,
    EXTRA_SAMPLES,
    HEIGHT,
    INK_SET,
    ORIENTATION,
    PHOTOMETRIC,
    PLANES,
    PREDICTOR,
    ROWS_PER_STRIP,
    SAMPLE_FORMAT,
    SAMPLES,
    SEPARATE_PLANES,
    WIDTH,
    YCBCR_SUBSAMPLING,
    Tags,
)

MOST_ROWS = 2**31 - 1
UNSIGNED, UNDEFINED_FORMAT = 1, 4
"""Sample formats."""
UNCOMPRESSED, LZW, OLD_JPEG, JPEG, DEFLATE = 1, 5, 6, 7, 8
OLD_DEFLATE, PACKBITS, LZMA = 32946, 32773, 34925
LOSSLESS = (UNCOMPRESSED, LZW, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA)
BILEVEL, BY_JPEG = (2, 3, 4), (OLD_JPEG, JPEG)
WITH_PREDICTOR = (LZW, DEFLATE, OLD_DEFLATE, LZMA)
NO_PREDICTOR, DIFFERENCES = 1, 2
COMPRESSION_NAMES = {
    2: "CCITT", 3: "CCITT", 4: "CCITT", OLD_JPEG: "JPEG", JPEG: "JPEG", 9: "JBIG", 10: "JBIG",
    32766: "NeXT", 32809: "ThunderScan", 32909: "PixarLog", 33003: "JPEG 2000", 33005: "JPEG 2000",
    34661: "JBIG", 34676: "SGILog", 34677: "SGILog", 34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG",
    50000: "ZSTD", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
UNKNOWN = -1
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 4, 5, 6, 8
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, CIELAB: 3}
"""Channels of each photometric interpretation, without the extra ones."""
NAMES = {
    WHITE_IS_ZERO: "grey in which zero is white", BLACK_IS_ZERO: "grey", RGB: "RGB", PALETTE: "a palette",
    MASK: "a transparency mask", CMYK: "CMYK", YCBCR: "YCbCr", CIELAB: "CIELab", 9: "ICCLab", 10: "ITULab",
    32803: "a camera's raw samples", 32844: "LogL", 32845: "LogLuv", 34892: "a camera's raw samples",
}  # fmt: skip
PREMULTIPLIED, ALPHA, COREL_ALPHA = 1, 2, 999
"""Meanings of an extra sample. 0 is unspecified."""
ANY_ALPHA = (PREMULTIPLIED, ALPHA, COREL_ALPHA)
EXTRA_OF_8_BITS = {
    WHITE_IS_ZERO: ((),),
    BLACK_IS_ZERO: ((), (0,), (1,), (2,)),
    RGB: ((), (0,), (1,), (2,), (999,), (0, 0), (1, 0), (2, 0), (0, 0, 0), (1, 0, 0), (2, 0, 0)),
    PALETTE: ((), (0,), (2,)),
    CMYK: ((), (0,), (0, 0)),
    YCBCR: ((),),
    CIELAB: ((),),
}
EXTRA_OF_16_BITS = {
    WHITE_IS_ZERO: ((),),
    BLACK_IS_ZERO: ((), (0,), (1,), (2,), (999,)),
    RGB: ((), (0,), (1,), (2,), (999,)),
    CMYK: ((), (0,)),
}
EXTRA_OF_FEW_BITS = {WHITE_IS_ZERO: ((),), BLACK_IS_ZERO: ((),), PALETTE: ((),)}
EXTRA = {**dict.fromkeys((1, 2, 4), EXTRA_OF_FEW_BITS), 8: EXTRA_OF_8_BITS, 16: EXTRA_OF_16_BITS}
"""The meanings of extra samples that are read, by bits a sample and photometric interpretation."""
UNDECLARED_ALPHA = ((RGB, 4, 8), (RGB, 4, 16), (BLACK_IS_ZERO, 2, 16))
"""Photometric interpretation, samples and bits of files that hold alpha without saying so: a common fault."""
CMYK_INKS = 1
WHOLE, BY_2 = (1, 1), (2, 2)
"""Subsampling of YCbCr: none, and the default."""
DNG_VERSION, MEDIA_PHOTO, IMAGE_DEPTH = 50706, 0xBC01, 32997
SIDEWAYS = (5, 6, 7, 8)
"""Orientations that swap width and height, here and in EXIF metadata."""


def is_lossy(data: bytes) -> bool:
    """Return whether the first picture is compressed by JPEG."""
    return Tags(data).number(COMPRESSION, UNCOMPRESSED) in BY_JPEG


def unsupported_feature(tags: Tags) -> str:
    """Return the name of a feature that the decoder does not support, or an empty string."""
    checks = (_form, _samples, _compression, _palette, _channels, _planes)
    return next((name for check in checks if (name := check(tags))), "")


def _form(tags: Tags) -> str:
    if DNG_VERSION in tags or photometric(tags) in (32803, 34892):
        return "a camera's raw picture"
    if MEDIA_PHOTO in tags:
        return "a Windows Media Photo"
    if tags.number(IMAGE_DEPTH, 1) > 1:
        return f"a TIFF of {tags.number(IMAGE_DEPTH)} layers in one picture (ImageDepth)"
    return ""


def _samples(tags: Tags) -> str:
    bits, formats = set(tags.numbers(BITS, (1,))), set(tags.numbers(SAMPLE_FORMAT, (UNSIGNED,)))
    if len(bits) > 1:
        return "a TIFF whose channels differ in bits"
    if not bits <= EXTRA.keys():
        return f"a TIFF of {max(bits)} bits a sample"
    if not formats <= {UNSIGNED, UNDEFINED_FORMAT}:
        return "a TIFF of signed or floating-point samples"
    return ""


def _compression(tags: Tags) -> str:
    bits, compression = depth(tags), tags.number(COMPRESSION, UNCOMPRESSED)
    is_supported = (
        compression in LOSSLESS
        or (compression in BILEVEL and bits == 1)
        or (compression in BY_JPEG and bits == 8)
    )
    if not is_supported:
        name = f" ({COMPRESSION_NAMES[compression]})" if compression in COMPRESSION_NAMES else ""
        return f"a TIFF of {bits} bits a sample with compression {compression}{name}"
    if compression == OLD_JPEG and samples(tags) != COLOURS[YCBCR]:
        return "a TIFF with compression 6 (old JPEG) in other colours than YCbCr"
    predictor = tags.number(PREDICTOR, NO_PREDICTOR) if compression in WITH_PREDICTOR else NO_PREDICTOR
    if predictor not in (NO_PREDICTOR, DIFFERENCES) or (predictor == DIFFERENCES and bits < 8):
        return f"a TIFF of {bits} bits a sample with predictor {predictor}"
    return ""


def _palette(tags: Tags) -> str:
    if photometric(tags) != PALETTE:
        return ""
    if tags.number(COMPRESSION, UNCOMPRESSED) in BY_JPEG:
        return "a TIFF with a palette and compression by JPEG"
    values = len(tags.numbers(COLOUR_MAP))
    if not 0 < values <= 3 * 256 or values % 3:
        return f"a TIFF with a colour map of {values} values"
    return ""


def _channels(tags: Tags) -> str:
    """Refuse all channels that are not in the table `EXTRA`."""
    kind, count, bits = photometric(tags), samples(tags), depth(tags)
    is_alpha_undeclared = EXTRA_SAMPLES not in tags and (kind, count, bits) in UNDECLARED_ALPHA
    is_grey_by_jpeg = kind == YCBCR and count == 1
    expected = COLOURS.get(kind, 0) + len(tags.numbers(EXTRA_SAMPLES))
    is_count_right = count == expected or is_alpha_undeclared or is_grey_by_jpeg
    is_known = kept_extra(tags) in EXTRA[bits].get(kind, ())
    is_unknown_ink = kind == CMYK and tags.number(INK_SET, CMYK_INKS) != CMYK_INKS
    listed = len(tags.numbers(BITS, (1,)))
    if not is_known or not is_count_right or is_unknown_ink or 1 < listed < count:
        return name_of_kind(tags)
    return ""


def _planes(tags: Tags) -> str:
    """Refuse separate planes of kinds that neither Pillow nor libvips reads right."""
    if tags.number(PLANES, 1) != SEPARATE_PLANES or samples(tags) == 1:
        return ""
    kind, extra = photometric(tags), kept_extra(tags)
    compression = tags.number(COMPRESSION, UNCOMPRESSED)
    is_alpha_unsupported = (
        (extra == (PREMULTIPLIED,) and depth(tags) == 8 and compression == UNCOMPRESSED)
        or (len(extra) > 1 and any(extra))
        or (COLOURS[kind] == 1 and (extra or (kind, samples(tags), depth(tags)) in UNDECLARED_ALPHA))
    )
    is_colour_unsupported = (
        kind == CIELAB
        or (kind == CMYK and compression in BY_JPEG)
        or (kind == YCBCR and (compression in (UNCOMPRESSED, *BY_JPEG) or subsampling(tags) != WHOLE))
    )
    return name_of_kind(tags) if is_alpha_unsupported or is_colour_unsupported else ""


def photometric(tags: Tags) -> int:
    """Return the photometric interpretation, which old files of JPEG and CCITT may omit."""
    compression = tags.number(COMPRESSION, UNCOMPRESSED)
    if compression == OLD_JPEG:
        return YCBCR
    return tags.number(PHOTOMETRIC, WHITE_IS_ZERO if compression in BILEVEL else UNKNOWN)


def samples(tags: Tags) -> int:
    return tags.number(SAMPLES, 3 if tags.number(COMPRESSION, UNCOMPRESSED) == OLD_JPEG else 1)


def depth(tags: Tags) -> int:
    """Return the bits of a sample."""
    return tags.number(BITS, 1)


def subsampling(tags: Tags) -> tuple[int, ...]:
    return tags.numbers(YCBCR_SUBSAMPLING, BY_2)


def are_extra_planes_left_out(tags: Tags) -> bool:
    """Return whether further planes of unspecified meaning follow, which the decoder leaves out."""
    extra = tags.numbers(EXTRA_SAMPLES)
    in_planes = tags.number(PLANES, 1) == SEPARATE_PLANES and depth(tags) <= 8
    return in_planes and bool(extra) and not any(extra)


def kept_extra(tags: Tags) -> tuple[int, ...]:
    """Return the meanings of the extra samples that the decoder reads."""
    return () if are_extra_planes_left_out(tags) else tags.numbers(EXTRA_SAMPLES)


def has_alpha(tags: Tags) -> bool:
    extra = kept_extra(tags)
    if EXTRA_SAMPLES in tags:
        return extra[:1] in [(meaning,) for meaning in ANY_ALPHA]
    return (photometric(tags), samples(tags), depth(tags)) in UNDECLARED_ALPHA


def upright_size(tags: Tags) -> tuple[int, int]:
    """Return width and height after the orientation is applied. Raise `ValueError` without such a number."""
    width, height = tags.number(WIDTH), tags.number(HEIGHT)
    return (height, width) if tags.number(ORIENTATION, 1) in SIDEWAYS else (width, height)


def has_plausible_strips(tags: Tags) -> bool:
    """Return whether strips have rows, and only a single one claims more rows than any picture has."""
    rows = tags.number(ROWS_PER_STRIP, 1)
    return 0 < rows <= MOST_ROWS or (rows > 0 and len(tags.pieces()[0]) <= tags.number(SAMPLES, 1))


def name_of_kind(tags: Tags) -> str:
    """Return the name for a refusal, such as `a TIFF in CMYK of 8 bits a sample, with alpha`."""
    kind, extra = photometric(tags), tags.numbers(EXTRA_SAMPLES)
    names = [
        f"a TIFF in {NAMES.get(kind, f'photometric interpretation {kind}')} of {depth(tags)} bits a sample"
    ]
    if kind == UNKNOWN:
        names = ["a TIFF without photometric interpretation"]
    elif kind in COLOURS and samples(tags) < COLOURS[kind]:
        names.append(f"with {samples(tags)} channels")
    elif kind in COLOURS and samples(tags) > COLOURS[kind]:
        more = samples(tags) - COLOURS[kind]
        is_only_alpha = more == 1 and extra[:1] in [(meaning,) for meaning in ANY_ALPHA]
        names.append("with alpha" if is_only_alpha else f"with {more} more channel{'s' * (more > 1)}")
    if tags.number(PLANES, 1) == SEPARATE_PLANES and samples(tags) > 1:
        names.append("in separate planes")
    return ", ".join(names)
