"""The functions of libjxl that Loupe calls, loaded from the wheel of `imagecodecs`.

That package reads and writes pixels only. Profiles, metadata and the kind of colours need libjxl itself, to
which one of its modules is linked. Its structures have not changed since version 0.7.
"""

import ctypes
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_size_t, c_uint32, c_void_p
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

UINT8, UINT16 = 2, 3
SRGB_TRANSFER, D65, SRGB_PRIMARIES = 13, 1, 1
RGB, GREY = 0, 1
PIXELS_AS_DECODED = 1
"""The profile of the decoded pixels, and not of those in the file."""


class PixelFormat(ctypes.Structure):
    channels: int
    _fields_ = (("channels", c_uint32), ("type", c_int), ("endianness", c_int), ("align", c_size_t))


class Animation(ctypes.Structure):
    numerator: int
    denominator: int
    loops: int
    _fields_ = (
        ("numerator", c_uint32),
        ("denominator", c_uint32),
        ("loops", c_uint32),
        ("has_timecodes", c_int),
    )


class BasicInfo(ctypes.Structure):
    width: int
    height: int
    bits: int
    uses_original_profile: int
    orientation: int
    colours: int
    extra_channels: int
    alpha_bits: int
    animation: Animation
    _fields_ = (
        ("has_container", c_int),
        ("width", c_uint32),
        ("height", c_uint32),
        ("bits", c_uint32),
        ("exponent_bits", c_uint32),
        ("intensity_target", c_float),
        ("min_nits", c_float),
        ("is_relative", c_int),
        ("linear_below", c_float),
        ("uses_original_profile", c_int),
        ("has_preview", c_int),
        ("has_animation", c_int),
        ("orientation", c_int),
        ("colours", c_uint32),
        ("extra_channels", c_uint32),
        ("alpha_bits", c_uint32),
        ("alpha_exponent_bits", c_uint32),
        ("is_premultiplied", c_int),
        ("preview", c_uint32 * 2),
        ("animation", Animation),
        ("intrinsic_size", c_uint32 * 2),
        ("padding", ctypes.c_uint8 * 100),
    )


class ColourEncoding(ctypes.Structure):
    space: int
    white_point: int
    primaries: int
    transfer: int
    _fields_ = (
        ("space", c_int),
        ("white_point", c_int),
        ("white", c_double * 2),
        ("primaries", c_int),
        ("red", c_double * 2),
        ("green", c_double * 2),
        ("blue", c_double * 2),
        ("transfer", c_int),
        ("gamma", c_double),
        ("intent", c_int),
    )

    @property
    def is_srgb(self) -> bool:
        has_its_primaries = self.space == GREY or self.primaries == SRGB_PRIMARIES
        return self.white_point == D65 and has_its_primaries and self.transfer == SRGB_TRANSFER


DECODER: dict[str, tuple[Any, ...]] = {
    "Create": (c_void_p,),
    "Destroy": (c_void_p,),
    "SubscribeEvents": (c_void_p, c_int),
    "SetUnpremultiplyAlpha": (c_void_p, c_int),
    "SetDecompressBoxes": (c_void_p, c_int),
    "SetInput": (c_void_p, c_char_p, c_size_t),
    "CloseInput": (c_void_p,),
    "ProcessInput": (c_void_p,),
    "GetBasicInfo": (c_void_p, POINTER(BasicInfo)),
    "GetColorAsEncodedProfile": (c_void_p, c_int, POINTER(ColourEncoding)),
    "GetICCProfileSize": (c_void_p, c_int, POINTER(c_size_t)),
    "GetColorAsICCProfile": (c_void_p, c_int, c_void_p, c_size_t),
    "ImageOutBufferSize": (c_void_p, POINTER(PixelFormat), POINTER(c_size_t)),
    "SetImageOutBuffer": (c_void_p, POINTER(PixelFormat), c_void_p, c_size_t),
    "GetBoxType": (c_void_p, c_void_p, c_int),
    "SetBoxBuffer": (c_void_p, c_void_p, c_size_t),
    "ReleaseBoxBuffer": (c_void_p,),
}
ENCODER: dict[str, tuple[Any, ...]] = {
    "Create": (c_void_p,),
    "Destroy": (c_void_p,),
    "InitBasicInfo": (POINTER(BasicInfo),),
    "SetBasicInfo": (c_void_p, POINTER(BasicInfo)),
    "SetColorEncoding": (c_void_p, POINTER(ColourEncoding)),
    "SetICCProfile": (c_void_p, c_char_p, c_size_t),
    "FrameSettingsCreate": (c_void_p, c_void_p),
    "FrameSettingsSetOption": (c_void_p, c_int, ctypes.c_int64),
    "SetFrameLossless": (c_void_p, c_int),
    "SetFrameDistance": (c_void_p, c_float),
    "DistanceFromQuality": (c_float,),
    "UseContainer": (c_void_p, c_int),
    "UseBoxes": (c_void_p,),
    "AddBox": (c_void_p, c_char_p, c_char_p, c_size_t, c_int),
    "AddImageFrame": (c_void_p, POINTER(PixelFormat), c_void_p, c_size_t),
    "CloseInput": (c_void_p,),
    "ProcessOutput": (c_void_p, POINTER(c_void_p), POINTER(c_size_t)),
    "GetError": (c_void_p,),
}
OTHER_RESULTS: dict[str, Any] = {
    "JxlDecoderCreate": c_void_p,
    "JxlEncoderCreate": c_void_p,
    "JxlEncoderFrameSettingsCreate": c_void_p,
    "JxlDecoderReleaseBoxBuffer": c_size_t,
    "JxlEncoderDistanceFromQuality": c_float,
    "JxlDecoderDestroy": None,
    "JxlEncoderDestroy": None,
    "JxlDecoderCloseInput": None,
    "JxlEncoderCloseInput": None,
    "JxlEncoderInitBasicInfo": None,
}
"""Types of results. All other functions return a status, which is an integer."""


@cache
def load() -> Any:
    """Return the library. Raise `OSError` if it is missing."""
    spec = find_spec("imagecodecs")  # found without being imported: it would import numpy
    path = next(Path(spec.origin).parent.glob("_jpegxl.*so"), None) if spec and spec.origin else None
    if path is None:
        raise OSError("the package imagecodecs contains no libjxl")
    library = ctypes.CDLL(str(path))  # this module is linked to libjxl, and so are the names in it
    for prefix, functions in (("JxlDecoder", DECODER), ("JxlEncoder", ENCODER)):
        for name, arguments in functions.items():
            function = getattr(library, prefix + name)
            function.argtypes = arguments
            function.restype = OTHER_RESULTS.get(prefix + name, c_int)
    return library
