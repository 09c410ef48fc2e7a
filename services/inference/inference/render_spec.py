"""Says what result is wanted, as the work order and the chosen models have it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from imagefile.formats import WRITABLE, Format
from inference.mixing import Mix, mix_of
from inference.networks.auto import Choice, main_choice
from inference.networks.network import Network
from inference.picture import Header, Picture, Size
from inference.sizing import Fit, Placement
from inference.tiling.tiles import QUANTUM, SMALLEST_TILE, Tiling
from loupe.contract import LONGEST_OUTPUT_SIDE
from loupe.images.v1 import images_pb2

SINGLE_TILE = 448
"""Longest side of a tile that a CPU computes in single precision. Its layers take twice the memory of
bfloat16 for a pixel, and such a tile has half the pixels of the usual one.
"""
MOST_OUTPUT_PIXELS = LONGEST_OUTPUT_SIDE**2
"""Limit for all frames of a result together, unless the work order names another."""
FORMATS: dict[int, Format] = {images_pb2.Format.Value(f"FORMAT_{name}"): name for name in WRITABLE}
FITS: dict[int, Fit] = {
    images_pb2.FIT_UNSPECIFIED: "stretch",
    images_pb2.FIT_STRETCH: "stretch",
    images_pb2.FIT_COVER: "cover",
    images_pb2.FIT_CONTAIN: "contain",
}


@dataclass(frozen=True, slots=True)
class RenderSpec:
    """A description of the wanted result."""

    size: Size
    file_format: Format
    networks: tuple[Network, ...]
    tiling: Tiling
    fit: Fit = "stretch"
    quality: int | None = None
    keeps_metadata: bool = False
    dpi: int | None = None
    """Pixels an inch of the result. None keeps the original's."""
    most_pixels: int = MOST_OUTPUT_PIXELS
    """Limit for all frames together. `images` checks it too, but may miscount frames of a damaged file."""
    networks_of_pages: tuple[tuple[Network, ...], ...] = ()
    """The networks of each page, if they may differ."""
    mix: Mix | None = None
    """How the result of `networks` is blended over that of others. None if it stands alone."""
    is_single: bool = False
    """Whether a CPU computes all of it in single precision."""

    def header(self, picture: Picture, placement: Placement) -> Header:
        """Return the result's header. A border adds an alpha channel if the format has one."""
        header = picture.header(self.size)
        header = header if self.keeps_metadata else replace(header, exif=None)
        header = replace(header, dpi=(self.dpi, self.dpi)) if self.dpi else header
        has_border = self.fit == "contain" and placement.inner != self.size
        if has_border and WRITABLE[self.file_format].alpha and not header.has_alpha:
            return replace(header, channels=header.channels + 1)
        return header

    def tiling_for(self, picture: Picture) -> Tiling:
        """Return smaller tiles for 16 bits, which travel to Triton as floats and are four times as large, and
        for single precision, in which lazy networks always compute.
        """
        networks = (*self.networks, *(self.mix.under if self.mix else ()))
        tile = self.tiling.tile if picture.depth == 8 else self.tiling.tile // 2
        if self.is_single or any(network.is_lazy for network in networks):
            tile = min(tile, SINGLE_TILE)
        smallest = (2 * network.overlap + QUANTUM for network in networks)
        return replace(self.tiling, tile=max(tile, SMALLEST_TILE, *smallest))


def spec_of(
    order: images_pb2.WorkOrder, choices: Sequence[Choice], tiling: Tiling, *, is_single: bool = False
) -> RenderSpec:
    """Return what the order wants. `choices` are the models of all pages."""
    model = main_choice(choices).model
    return RenderSpec(
        (order.size.width, order.size.height),
        FORMATS[order.format],
        model.networks,
        tiling,
        fit=FITS[order.fit],
        quality=order.quality or None,
        keeps_metadata=order.keeps_metadata,
        dpi=order.dpi or None,
        networks_of_pages=tuple(each.model.networks for each in choices),
        mix=mix_of(model),
        most_pixels=order.largest_output_pixels or MOST_OUTPUT_PIXELS,
        is_single=is_single,
    )
