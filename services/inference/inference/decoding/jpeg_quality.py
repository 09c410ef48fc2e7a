"""The quality of a JPEG, estimated from its quantisation tables.

The decoding child uses this module, so it imports no numpy.
"""

from collections.abc import Mapping, Sequence

SUM_AT_QUALITY_50 = 3691
"""The sum of the luma table in JPEG's annex K. Every encoder scales that table or a similar one."""


def jpeg_quality(tables: Mapping[int, Sequence[int]] | None) -> int | None:
    """Return 1 to 100 on libjpeg's scale, or None without tables.

    The sum of a table depends neither on its order nor much on its shape.
    """
    if not tables:
        return None
    percent = 100 * sum(tables[min(tables)]) / SUM_AT_QUALITY_50
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return max(1, min(100, round(quality)))
