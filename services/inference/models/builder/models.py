"""The models that clients may ask for, and their texts."""

from builder.facts import Model

AUTO = Model(
    "auto",
    "Takes faithful or clean, seldom enhance, by what the picture is, and tells why.",
    "everything, unless you know better",
)
"""Has no networks: the worker chooses another model (inference/networks/auto.py)."""
FAITHFUL = Model("faithful", "Stays nearest to the original.", "clean photos")
CLEAN = Model(
    "clean",
    "Takes away what compression left, and keeps edges and plain colours.",
    "worn JPEGs, text, line art, few colours",
    denoise=2,
)
ART = Model(
    "art",
    "Keeps the lines and plain colours of drawings, and takes away what compression left.",
    "illustrations, comics, anime, logos",
    is_new=True,
    denoise=1,
)
ENHANCE = Model(
    "enhance",
    "Invents edges and removes noise: looks best on worn input, and is further from the original.",
    "worn photos that are to look good",
)
PIXEL = Model(
    "pixel",
    "Repeats pixels: every colour of the result is one of the original's.",
    "pixel art, QR codes and everything else that must stay blocks of plain colours",
    is_new=True,
)
"""Has no networks: the worker repeats pixels itself (inference/nearest.py)."""
MODELS = (AUTO, FAITHFUL, CLEAN, ART, ENHANCE, PIXEL)
"""In the order in which clients see them."""
