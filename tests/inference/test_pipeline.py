"""A decoded original becomes a file with the right fit, metadata and frames. The model repeats each pixel."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageDraw

from inference.errors import Undecodable
from inference.networks.network import Answer, Network, Tensor
from inference.picture import Animation, Format, Picture
from inference.pipeline import render
from inference.render_spec import RenderSpec
from inference.sizing import Fit, place
from inference.tiling.tiles import Tiling
from tests.inference.built_models import CLEAN, FAITHFUL

RED, BLUE = (255, 0, 0), (0, 0, 255)


class Nearest:
    """A model that repeats each pixel and counts its requests."""

    def __init__(self) -> None:
        self.requests = 0

    async def __call__(self, name: str, tensor: Tensor) -> Answer:
        self.requests += 1
        scale = int(name.removesuffix("_float")[-1])
        return Answer(tensor.repeat(scale, 2).repeat(scale, 3))


def a_spec(
    size: tuple[int, int], file_format: Format = "PNG", fit: Fit = "stretch", *, keeps_metadata: bool = False
) -> RenderSpec:
    return RenderSpec(
        size, file_format, FAITHFUL.networks, Tiling(64), fit=fit, keeps_metadata=keeps_metadata
    )


def a_picture(size: tuple[int, int] = (40, 20), *, depth: int = 8, exif: bytes | None = None) -> Picture:
    """Return a picture whose left half is red and whose right half is blue."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2], pixels[:, size[0] // 2 :] = RED, BLUE
    if depth == 16:
        pixels = pixels.astype(np.uint16) * np.uint16(257)
    return Picture(pixels, "PNG", exif=exif)


async def rendered(picture: Picture | Animation, spec: RenderSpec) -> Image.Image:
    image = Image.open(io.BytesIO(await render(picture, spec, Nearest())))
    image.load()
    return image


def share(image: Image.Image, colour: tuple[int, ...]) -> float:
    """Return the share of pixels that have nearly this colour."""
    distance = np.abs(np.asarray(image).astype(int) - np.array(colour)).max(axis=2)
    return float((distance < 60).mean())


@pytest.mark.parametrize(
    ("fit", "inner", "left", "top"),
    [
        ("stretch", (80, 80), 0, 0),
        ("cover", (160, 80), -40, 0),
        ("contain", (80, 40), 0, 20),
    ],
)
def test_a_wide_picture_is_placed_in_a_square_by_its_fit(
    fit: Fit, inner: tuple[int, int], left: int, top: int
) -> None:
    placement = place((40, 20), (80, 80), fit)

    assert (placement.inner, placement.left, placement.top) == (inner, left, top)


@pytest.mark.parametrize("fit", ["cover", "contain"])
def test_every_target_is_covered_or_contains_the_picture(fit: Fit) -> None:
    for width in range(1, 40):
        for height in range(1, 40, 3):
            target = (width * 3, height * 2)
            inner = place((width, height), target, fit).inner
            pairs = list(zip(inner, target, strict=True))

            assert any(side == target_side for side, target_side in pairs)
            assert all(
                side >= target_side if fit == "cover" else side <= target_side for side, target_side in pairs
            )


async def test_cover_cuts_off_both_ends_of_the_longer_axis() -> None:
    image = await rendered(a_picture(), a_spec((80, 80), fit="cover"))

    assert (image.size, image.mode) == ((80, 80), "RGB")
    assert share(image.crop((0, 0, 38, 80)), RED) == 1
    assert share(image.crop((42, 0, 80, 80)), BLUE) == 1


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF"])
async def test_contain_has_a_transparent_border(file_format: Format) -> None:
    image = await rendered(a_picture(), a_spec((80, 80), file_format, "contain"))

    assert (image.size, image.mode) == ((80, 80), "RGBA")
    alpha = np.asarray(image.getchannel("A"))
    assert (alpha[:20] == 0).all()
    assert (alpha[20:60] == 255).all()
    assert (alpha[60:] == 0).all()


async def test_contain_has_a_white_border_in_a_jpeg() -> None:
    image = await rendered(a_picture(), a_spec((80, 80), "JPEG", "contain"))

    assert image.mode == "RGB"
    assert share(image.crop((0, 0, 80, 16)), (255, 255, 255)) == 1
    assert share(image.crop((0, 24, 36, 56)), RED) == 1


async def test_contain_without_a_border_adds_no_alpha_channel() -> None:
    image = await rendered(a_picture(), a_spec((80, 40), fit="contain"))

    assert image.mode == "RGB"


@pytest.mark.parametrize("fit", ["stretch", "cover", "contain"])
async def test_16_bits_are_placed_like_8_bits(fit: Fit) -> None:
    of_8_bits = await rendered(a_picture(), a_spec((80, 80), fit=fit))
    of_16_bits = await rendered(a_picture(depth=16), a_spec((80, 80), fit=fit))

    assert np.abs(np.asarray(of_16_bits).astype(int) - np.asarray(of_8_bits)).max() <= 2


def some_exif() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Jane"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:02:15 12:00:00"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (1.0, 2.0, 3.0)
    return exif.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
async def test_metadata_is_written_on_request(file_format: Format) -> None:
    picture = a_picture(exif=some_exif())
    spec = a_spec((80, 40), file_format, keeps_metadata=True)

    exif = Image.open(io.BytesIO(await render(picture, spec, Nearest()))).getexif()

    assert exif[ExifTags.Base.Artist] == "Jane"
    assert exif.get_ifd(ExifTags.IFD.Exif) == {ExifTags.Base.DateTimeOriginal: "2026:02:15 12:00:00"}
    assert exif.get_ifd(ExifTags.IFD.GPSInfo) == {ExifTags.GPS.GPSLatitude: (1.0, 2.0, 3.0)}


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
async def test_metadata_is_not_written_by_default(file_format: Format) -> None:
    data = await render(a_picture(exif=some_exif()), a_spec((80, 40), file_format), Nearest())

    assert b"Jane" not in data
    assert b"2026:02:15" not in data


def an_animation(*, alpha: bool = False) -> Animation:
    """Return an animation of a white square that moves over two colours, or over transparency."""
    frames: list[Picture] = []
    for left in (0, 10, 20):
        image = Image.fromarray(a_picture().pixels)
        ImageDraw.Draw(image).rectangle((left, 5, left + 7, 12), fill="white")
        hidden = np.full((20, 40), 255, np.uint8)
        hidden[15:] = 0
        frames.append(Picture(np.array(image), "GIF", alpha=hidden if alpha else None, has_alpha=alpha))
    return Animation(frames, [50, 60, 70], 3)


@pytest.mark.parametrize("file_format", ["GIF", "WEBP"])
@pytest.mark.parametrize("alpha", [False, True])
async def test_an_animation_keeps_frames_times_and_loops(file_format: Format, alpha: bool) -> None:
    original = an_animation(alpha=alpha)

    result = await rendered(original, a_spec((80, 40), file_format))

    assert (result.format, result.size, getattr(result, "n_frames", 1)) == (file_format, (80, 40), 3)
    assert result.info["loop"] == (2 if file_format == "GIF" else 3)  # a GIF counts repetitions
    for index, frame in enumerate(original.frames):
        result.seek(index)
        result.load()
        assert result.info["duration"] == original.milliseconds[index]
        pixels = np.asarray(result.convert("RGBA"))[: 28 if alpha else 40]
        expected = frame.pixels.repeat(2, 0).repeat(2, 1)[: len(pixels)]
        assert np.abs(pixels[:, :, :3].astype(int) - expected).mean() < 3
        assert np.asarray(result.convert("RGBA"))[36:, :, 3].max() == (0 if alpha else 255)


async def test_a_format_for_still_pictures_takes_the_first_frame() -> None:
    result = await rendered(an_animation(), a_spec((80, 40), "PNG"))

    assert np.array_equal(np.asarray(result), an_animation().frames[0].pixels.repeat(2, 0).repeat(2, 1))


async def test_equal_tiles_of_an_animation_are_inferred_once() -> None:
    still = a_picture((200, 100))
    model = Nearest()

    await render(Animation([still] * 5, [100] * 5, 0), a_spec((400, 200), "GIF"), model)

    of_one_frame = Nearest()
    await render(still, a_spec((400, 200), "PNG"), of_one_frame)
    assert 1 < model.requests <= of_one_frame.requests


@pytest.mark.parametrize(
    ("depth", "networks", "is_single", "side"),
    [
        (8, FAITHFUL.networks, False, 640),
        (8, FAITHFUL.networks, True, 448),
        (16, FAITHFUL.networks, True, 320),
        (8, CLEAN.levels[3], False, 448),
    ],
    ids=["bfloat16", "exact", "16 bits", "a network that takes floats"],
)
def test_tiles_in_single_precision_have_half_the_pixels_at_most(
    depth: int, networks: tuple[Network, ...], is_single: bool, side: int
) -> None:
    spec = RenderSpec((80, 40), "PNG", networks, Tiling(640), is_single=is_single)

    assert spec.tiling_for(a_picture(depth=depth)).tile == side


async def test_too_many_pixels_in_all_frames_together_are_refused() -> None:
    with pytest.raises(Undecodable) as caught:
        await render(an_animation(), a_spec((16_000, 8_000), "GIF"), Nearest())

    assert caught.value.reason == "too_many_pixels"


@pytest.mark.parametrize("file_format", ["GIF", "WEBP"])
async def test_the_longest_frame_times_can_be_written(file_format: Format) -> None:
    still = a_picture()

    result = await rendered(
        Animation([still, still, a_picture()], [16_777_215] * 3, 0), a_spec((80, 40), file_format)
    )

    assert result.size == (80, 40)


async def test_an_animated_webp_keeps_metadata() -> None:
    frames = [a_picture(exif=some_exif()), a_picture(exif=some_exif())]

    data = await render(
        Animation(frames, [50, 50], 0), a_spec((80, 40), "WEBP", keeps_metadata=True), Nearest()
    )

    assert Image.open(io.BytesIO(data)).getexif()[ExifTags.Base.Artist] == "Jane"


async def test_a_grey_profile_does_not_describe_rgb() -> None:
    profile = b"\0" * 16 + b"GRAY" + b"\0" * 16 + b"acsp" + b"\0" * 88
    grey = Picture(np.zeros((20, 40, 1), np.uint8), "PNG", icc=profile)

    assert "icc_profile" not in (await rendered(grey, a_spec((80, 40), "WEBP"))).info
