"""The models that this release knows. `make proto` writes this file from the builder's registry."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownNetwork:
    name: str
    title: str
    source: str
    licence: str
    scale: int
    kflop: int


@dataclass(frozen=True, slots=True)
class KnownModel:
    name: str
    description: str
    best_for: str
    is_always_served: bool
    denoise: tuple[int, ...]
    """The levels of denoising that a client may choose among."""
    networks: tuple[KnownNetwork, ...]


KNOWN_MODELS = (
    KnownModel(
        name='auto',
        description='Takes faithful or clean, seldom enhance, by what the picture is, and tells why.',
        best_for='everything, unless you know better',
        is_always_served=True,
        denoise=(),
        networks=(
        ),
    ),
    KnownModel(
        name='faithful',
        description='Stays nearest to the original.',
        best_for='clean photos',
        is_always_served=True,
        denoise=(),
        networks=(
            KnownNetwork('span_x2', 'SPAN, 48 channels', 'hongyuanyu/SPAN', 'Apache-2.0', 2, 819),
            KnownNetwork('span_x4', 'SPAN, 48 channels', 'hongyuanyu/SPAN', 'Apache-2.0', 4, 850),
        ),
    ),
    KnownModel(
        name='clean',
        description='Takes away what compression left, and keeps edges and plain colours.',
        best_for='worn JPEGs, text, line art, few colours',
        is_always_served=True,
        denoise=(0, 1, 2, 3),
        networks=(
            KnownNetwork('waifu2x_photo_x2', 'UpConv7, photo, noise 1', 'nagadomi/waifu2x', 'MIT', 2, 1104),
        ),
    ),
    KnownModel(
        name='art',
        description='Keeps the lines and plain colours of drawings, and takes away what compression left.',
        best_for='illustrations, comics, anime, logos',
        is_always_served=False,
        denoise=(0, 1, 2, 3),
        networks=(
            KnownNetwork('waifu2x_cunet_n0_x2', 'CUNet, drawings, noise 0', 'nagadomi/waifu2x', 'MIT', 2, 4420),
        ),
    ),
    KnownModel(
        name='enhance',
        description='Invents edges and removes noise: looks best on worn input, and is further from the original.',
        best_for='worn photos that are to look good',
        is_always_served=False,
        denoise=(),
        networks=(
            KnownNetwork('realesrgan_x4plus', 'RRDB, 23 blocks', 'xinntao/Real-ESRGAN', 'BSD-3-Clause', 4, 35854),
            KnownNetwork('realesr_general_x4v3', 'SRVGG, 32 layers', 'xinntao/Real-ESRGAN', 'BSD-3-Clause', 4, 2418),
        ),
    ),
    KnownModel(
        name='pixel',
        description="Repeats pixels: every colour of the result is one of the original's.",
        best_for='pixel art, QR codes and everything else that must stay blocks of plain colours',
        is_always_served=False,
        denoise=(),
        networks=(
        ),
    ),
)
