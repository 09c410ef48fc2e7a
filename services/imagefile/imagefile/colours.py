"""The numbers that name colours (ITU-T H.273), and HDR, which cannot be upscaled."""

import struct
from dataclasses import dataclass

PQ, HLG = 16, 18
"""Transfer characteristics of HDR."""
HDR = "HDR pictures (PQ and HLG) cannot be upscaled yet."
"""The refusal of such a picture."""
MOST_TAGS = 200


@dataclass(frozen=True, slots=True)
class Colour:
    """Code points, as in the box `colr` with the type `nclx`, and in the chunk cICP."""

    primaries: int
    transfer: int
    matrix: int

    @property
    def is_hdr(self) -> bool:
        return self.transfer in (PQ, HLG)


def is_hdr_profile(icc: bytes) -> bool:
    """Return whether a profile says by its tag `cicp` that the picture is HDR (ICC.1:2022, 9.2.17)."""
    if len(icc) < 132:
        return False
    [count] = struct.unpack_from(">I", icc, 128)
    for position in range(132, min(132 + 12 * min(count, MOST_TAGS), len(icc) - 11), 12):
        name, start, length = struct.unpack_from(">4sII", icc, position)
        if name == b"cicp" and length >= 12 and start + 12 <= len(icc):
            return icc[start + 9] in (PQ, HLG)
    return False
