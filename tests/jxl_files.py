"""Writes JPEG XL files of kinds that Loupe itself never writes, by libjxl."""

import ctypes
import struct
from typing import Any

from inference import libjxl
from inference.picture import Pixels
from tests.heif_files import box

FLOAT = 0
ALPHA, BLACK = 0, 4
SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl ", bytes(4), b"jxl ")


def jxl(  # noqa: PLR0913  the fields of a header
    samples: Pixels,
    *,
    quality: int | None = None,
    orientation: int = 1,
    bits: int | None = None,
    colours: dict[str, Any] | None = None,
    icc: bytes = b"",
    frames: int = 1,
    extra: tuple[int, ...] = (),
    is_premultiplied: bool = False,
) -> bytes:
    """Return a bare codestream, or a container if libjxl needs one. It is lossless without a `quality`.

    Two and four channels have alpha. `is_premultiplied` says that the colours are multiplied by it.
    `colours` are fields of the encoding. `extra` are kinds of further channels, and each of these repeats
    the last of the samples.
    """
    library, channels = libjxl.load(), samples.shape[2]
    has_alpha = channels in (2, 4)
    encoder = library.JxlEncoderCreate(None)
    info = libjxl.BasicInfo()
    library.JxlEncoderInitBasicInfo(ctypes.byref(info))
    info.width, info.height, info.orientation = samples.shape[1], samples.shape[0], orientation
    info.bits = bits or samples.dtype.itemsize * 8
    info.exponent_bits = 8 if samples.dtype.kind == "f" else 0
    info.colours = 1 if channels < 3 else 3
    info.extra_channels, info.alpha_bits = has_alpha + len(extra), has_alpha and info.bits
    info.uses_original_profile = int(quality is None)
    if frames > 1:
        info.has_animation = 1
        info.animation = libjxl.Animation(10, 1, 0, 0)
    check(library.JxlEncoderSetBasicInfo(encoder, ctypes.byref(info)))
    if is_premultiplied:
        describe_channel(encoder, 0, ALPHA, info.bits, is_premultiplied=True)
    for number, kind in enumerate(extra, has_alpha):
        describe_channel(encoder, number, kind, info.bits)
    set_colours(encoder, colours or {}, icc, is_grey=channels < 3)
    settings = settings_of(encoder, quality, is_animated=frames > 1)
    for number in range(frames):
        add_frame(
            settings, (samples + number * 10).astype(samples.dtype), range(has_alpha, has_alpha + len(extra))
        )
    library.JxlEncoderCloseInput(encoder)
    return output(encoder)


def check(status: int) -> None:
    assert status == 0


def describe_channel(
    encoder: Any, number: int, kind: int, bits: int, *, is_premultiplied: bool = False
) -> None:
    library = libjxl.load()
    described = (ctypes.c_uint32 * 32)()
    library.JxlEncoderInitExtraChannelInfo(kind, described)
    described[1], described[5] = bits, is_premultiplied
    check(library.JxlEncoderSetExtraChannelInfo(ctypes.c_void_p(encoder), ctypes.c_size_t(number), described))


def set_colours(encoder: Any, colours: dict[str, Any], icc: bytes, *, is_grey: bool) -> None:
    library, encoding = libjxl.load(), libjxl.ColourEncoding()
    encoding.space = int(is_grey)
    encoding.white_point, encoding.primaries, encoding.transfer = 1, 1, 13
    for name, value in colours.items():
        setattr(encoding, name, value if isinstance(value, int | float) else (ctypes.c_double * 2)(*value))
    if icc:
        check(library.JxlEncoderSetICCProfile(encoder, icc, len(icc)))
    else:
        check(library.JxlEncoderSetColorEncoding(encoder, ctypes.byref(encoding)))


def settings_of(encoder: Any, quality: int | None, *, is_animated: bool) -> Any:
    library, frame = libjxl.load(), (ctypes.c_uint32 * 64)()
    settings = library.JxlEncoderFrameSettingsCreate(encoder, None)
    if quality is None:
        library.JxlEncoderSetFrameLossless(settings, 1)
    else:
        library.JxlEncoderSetFrameDistance(settings, library.JxlEncoderDistanceFromQuality(quality))
    if is_animated:
        library.JxlEncoderInitFrameHeader(frame)
        frame[0] = 1  # the duration
        library.JxlEncoderSetFrameHeader(ctypes.c_void_p(settings), frame)
    return settings


def add_frame(settings: Any, samples: Pixels, extra: range) -> None:
    library = libjxl.load()
    kinds = {1: libjxl.UINT8, 2: libjxl.UINT16, 4: FLOAT}
    kind = libjxl.PixelFormat(samples.shape[2], kinds[samples.dtype.itemsize], 0, 0)
    last = samples[:, :, -1].copy()
    one = libjxl.PixelFormat(1, kinds[samples.dtype.itemsize], 0, 0)
    check(library.JxlEncoderAddImageFrame(settings, ctypes.byref(kind), samples.ctypes.data, samples.nbytes))
    for number in extra:
        set_channel = library.JxlEncoderSetExtraChannelBuffer
        pointer = ctypes.c_void_p(last.ctypes.data)
        check(
            set_channel(
                ctypes.c_void_p(settings), ctypes.byref(one), pointer, ctypes.c_size_t(last.nbytes), number
            )
        )


def output(encoder: Any) -> bytes:
    library, buffer = libjxl.load(), ctypes.create_string_buffer(1 << 22)
    place, room = ctypes.c_void_p(ctypes.addressof(buffer)), ctypes.c_size_t(len(buffer))
    check(library.JxlEncoderProcessOutput(encoder, ctypes.byref(place), ctypes.byref(room)))
    library.JxlEncoderDestroy(encoder)
    return buffer.raw[: len(buffer) - room.value]


def contained(codestream: bytes, *, exif: bytes = b"", parts: int = 0) -> bytes:
    """Return a container around a codestream, cut into `parts` if there are any."""
    exif_box = box(b"Exif", bytes(4), exif) if exif else b""
    if not parts:
        return SIGNATURE + exif_box + box(b"jxlc", codestream)
    size = -(-len(codestream) // parts)
    pieces = [codestream[start : start + size] for start in range(0, len(codestream), size)]
    numbers = [*range(len(pieces) - 1), (len(pieces) - 1) | 0x80000000]
    boxes = [
        box(b"jxlp", struct.pack(">I", number), piece) for number, piece in zip(numbers, pieces, strict=True)
    ]
    return SIGNATURE + boxes[0] + exif_box + b"".join(boxes[1:])
