"""JPEG XL, encoded as a whole by libjxl, with 8 to 16 bits.

It is lossless if the original is and no quality was asked for.
"""

import ctypes
from typing import Any

import numpy as np

from inference import libjxl
from inference.encoding.options import Options
from inference.metadata import with_dpi
from inference.picture import Header, Pixels

DEFAULT_QUALITY = 90
EFFORT_OPTION = 0
LOSSY_EFFORT, LOSSLESS_EFFORT = 5, 3
SUCCESS, FAILED, MORE_OUTPUT = 0, 1, 2
PIECE_BYTES = 1 << 20


class Writer:
    def __init__(self, header: Header, options: Options) -> None:
        self._header = header
        self._is_lossless = options.is_lossless and options.quality is None
        self._quality = options.quality or DEFAULT_QUALITY
        self._rows: list[Pixels] = []

    def write(self, samples: Pixels) -> None:
        self._rows.append(samples)

    def finish(self) -> bytes:
        pixels = np.ascontiguousarray(np.concatenate(self._rows))
        self._rows.clear()
        library = libjxl.load()
        encoder = library.JxlEncoderCreate(None)
        if not encoder:
            raise MemoryError
        try:
            self._describe(library, encoder)
            settings = self._settings(library, encoder)
            kind = libjxl.PixelFormat(
                self._header.channels, libjxl.UINT8 if self._header.depth == 8 else libjxl.UINT16, 0, 0
            )
            _check(
                library.JxlEncoderAddImageFrame(
                    settings, ctypes.byref(kind), pixels.ctypes.data, pixels.nbytes
                )
            )
            library.JxlEncoderCloseInput(encoder)
            return _output(library, encoder)
        finally:
            library.JxlEncoderDestroy(encoder)

    def _describe(self, library: Any, encoder: Any) -> None:
        header = self._header
        info = libjxl.BasicInfo()
        library.JxlEncoderInitBasicInfo(ctypes.byref(info))
        info.width, info.height, info.bits = header.width, header.height, self._bits
        info.colours = 1 if header.is_grey else 3
        if header.has_alpha:
            info.extra_channels, info.alpha_bits = 1, self._bits
        info.uses_original_profile = int(self._is_lossless)
        exif = with_dpi(header.exif, header.dpi)
        if exif:
            _check(library.JxlEncoderUseBoxes(encoder))
        _check(library.JxlEncoderSetBasicInfo(encoder, ctypes.byref(info)))
        icc = header.icc
        if not icc or library.JxlEncoderSetICCProfile(encoder, icc, len(icc)):
            _check(library.JxlEncoderSetColorEncoding(encoder, ctypes.byref(_srgb(is_grey=header.is_grey))))
        if exif:
            content = bytes(4) + exif
            _check(library.JxlEncoderAddBox(encoder, b"Exif", content, len(content), 0))

    def _settings(self, library: Any, encoder: Any) -> Any:
        settings = library.JxlEncoderFrameSettingsCreate(encoder, None)
        effort = LOSSLESS_EFFORT if self._is_lossless else LOSSY_EFFORT
        _check(library.JxlEncoderFrameSettingsSetOption(settings, EFFORT_OPTION, effort))
        if self._is_lossless:
            _check(library.JxlEncoderSetFrameLossless(settings, 1))
        else:
            distance = library.JxlEncoderDistanceFromQuality(self._quality)
            _check(library.JxlEncoderSetFrameDistance(settings, distance))
        return settings

    @property
    def _bits(self) -> int:
        return 8 if self._header.depth == 8 else self._header.bits or 16


def _srgb(*, is_grey: bool) -> libjxl.ColourEncoding:
    encoding = libjxl.ColourEncoding()
    encoding.space = libjxl.GREY if is_grey else libjxl.RGB
    encoding.white_point, encoding.primaries = libjxl.D65, libjxl.SRGB_PRIMARIES
    encoding.transfer = libjxl.SRGB_TRANSFER
    return encoding


def _output(library: Any, encoder: Any) -> bytes:
    parts, buffer = list[bytes](), ctypes.create_string_buffer(PIECE_BYTES)
    status = MORE_OUTPUT
    while status == MORE_OUTPUT:
        place = ctypes.c_void_p(ctypes.addressof(buffer))
        room = ctypes.c_size_t(PIECE_BYTES)
        status = library.JxlEncoderProcessOutput(encoder, ctypes.byref(place), ctypes.byref(room))
        parts.append(buffer.raw[: PIECE_BYTES - room.value])
    _check(status)
    return b"".join(parts)


def _check(status: int) -> None:
    if status != SUCCESS:
        raise OSError(f"libjxl cannot encode the picture: {status}")
