"""How much a JPEG has lost, told from its quantisation tables.

Imports no numpy, for the decoding child has none.
"""

from collections.abc import Mapping, Sequence

PLAIN_SUM = 3691
"""Of the luma table of JPEG's annex K, which is quality 50; every encoder scales it or something like it."""


def jpeg_quality(tables: Mapping[int, Sequence[int]] | None) -> int | None:
    """1 to 100 as libjpeg counts; the sum does not depend on the order, and hardly on the table's shape."""
    if not tables:
        return None
    percent = 100 * sum(tables[min(tables)]) / PLAIN_SUM
    quality = (200 - percent) / 2 if percent <= 100 else 5000 / percent
    return max(1, min(100, round(quality)))
