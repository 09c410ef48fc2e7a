"""A real decoding child reads files of every kind, and refuses broken ones."""

import io
import struct
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagefile.formats import READABLE
from inference.decoding.pool import Decoder
from inference.errors import DecoderCrashed, Undecodable
from inference.picture import Picture
from tests.heif_files import heic
from tests.inference.pictures import decode_animation, decode_still
from tests.jxl_files import jxl

PHOTO = Path(__file__).parents[2] / "docs" / "photos" / "chelsea.png"
TO_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
NEARLY_LOSSLESS: dict[str, dict[str, object]] = {
    "PNG": {},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {"lossless": True},
    "JPEG": {"quality": 98, "subsampling": 0},
}


@pytest.fixture(scope="module")
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def photo(mode: str = "RGB", size: tuple[int, int] = (90, 60)) -> Image.Image:
    image = Image.open(PHOTO).convert("RGB").resize(size)
    if mode in ("RGBA", "LA", "PA"):
        image.putalpha(Image.linear_gradient("L").resize(size))
    return image.quantize(64) if mode == "P" else image.convert(mode)


def file_of(image: Image.Image, file_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def png_of(width: int, height: int, depth: int, colour_type: int, rows: bytes, **chunks: bytes) -> bytes:
    """Return a PNG of a kind that Pillow reads but does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    others = b"".join(chunk(name.encode(), data) for name, data in chunks.items())
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + others + pixels + chunk(b"IEND", b"")


def with_orientation(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def equals_image(picture: Picture, image: Image.Image) -> bool:
    return np.array_equal(picture.pixels.squeeze(), np.asarray(image))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
async def test_lossless_files_come_back_exactly(decoder: Decoder, mode: str, file_format: str) -> None:
    image = photo(mode)

    picture = await decode_still(decoder, file_of(image, file_format))

    assert equals_image(picture, image.convert("L" if mode in ("1", "L", "LA") else "RGB"))
    assert picture.is_grey == (mode in ("1", "L", "LA"))
    assert picture.source_format == file_format
    assert picture.has_alpha == (mode in ("LA", "RGBA"))
    assert picture.alpha is None or np.array_equal(picture.alpha, np.asarray(image.getchannel("A")))


@pytest.mark.parametrize(
    ("file_format", "mode", "options"),
    [
        ("JPEG", "L", {"quality": 98}),
        ("JPEG", "RGB", {"quality": 98, "subsampling": 0}),
        ("JPEG", "RGB", {"quality": 98, "subsampling": 0, "progressive": True}),
        ("WEBP", "RGB", {"lossless": True}),
        ("WEBP", "RGBA", {"lossless": True, "exact": True}),
        ("WEBP", "RGB", {"quality": 98}),
        ("BMP", "L", {}),
        ("BMP", "RGB", {}),
        ("GIF", "P", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "YCbCr", {}),
    ],
)
async def test_every_format_is_read(
    decoder: Decoder, file_format: str, mode: str, options: dict[str, object]
) -> None:
    image = photo(mode)

    picture = await decode_still(decoder, file_of(image, file_format, **options))

    expected = np.asarray(image.convert("L" if mode == "L" else "RGB")).astype(int)
    assert picture.source_format == file_format
    assert picture.size == image.size
    assert picture.is_grey == (mode == "L")
    assert np.abs(picture.pixels.squeeze() - expected).mean() < 4
    assert picture.is_lossless == (file_format != "JPEG" and "quality" not in options)


async def test_the_first_of_several_pictures_in_a_jpeg_is_taken(decoder: Decoder) -> None:
    data = file_of(photo(), "MPO", save_all=True, append_images=[Image.new("RGB", (90, 60))])

    picture = await decode_still(decoder, data)

    assert picture.source_format == "JPEG"
    assert picture.pixels.max() > 128


@pytest.mark.parametrize("file_format", ["TIFF", "PNG"])
async def test_the_first_of_several_frames_is_taken(decoder: Decoder, file_format: str) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]

    picture = await decode_still(
        decoder, file_of(frames[0], file_format, save_all=True, append_images=frames[1:])
    )

    red, _, blue = picture.pixels.mean(axis=(0, 1))
    assert picture.size == (20, 10)
    assert red > 250
    assert blue < 5


@pytest.mark.parametrize("file_format", ["GIF", "WEBP"])
async def test_an_animation_has_every_frame_as_a_viewer_shows_it(decoder: Decoder, file_format: str) -> None:
    """The second frame in the file contains only the pixels that have changed."""
    first = Image.new("RGB", (20, 10), "red")
    second = first.copy()
    second.paste("blue", (0, 0, 5, 5))
    data = file_of(
        first, file_format, save_all=True, append_images=[second], duration=[40, 70], loop=2, lossless=True
    )

    animation = await decode_animation(decoder, data)

    # a GIF counts repetitions, a WebP counts how often it is played
    assert (animation.milliseconds, animation.loop) == ([40, 70], 3 if file_format == "GIF" else 2)
    for frame, image in zip(animation.frames, (first, second), strict=True):
        assert equals_image(frame, image)


async def test_transparent_frames_have_an_alpha_channel(decoder: Decoder) -> None:
    images = [Image.new("RGBA", (6, 4), (255, 0, 0, alpha)) for alpha in (0, 255)]

    animation = await decode_animation(
        decoder, file_of(images[0], "WEBP", save_all=True, append_images=images[1:], lossless=True)
    )

    assert [frame.has_alpha for frame in animation.frames] == [True, True]
    assert [int(frame.alpha.max()) for frame in animation.frames if frame.alpha is not None] == [0, 255]


async def test_frames_of_too_many_pixels_together_are_refused(decoder: Decoder) -> None:
    frames = [Image.new("P", (2000, 2000), index) for index in range(13)]

    with pytest.raises(Undecodable) as caught:
        await decoder.decode(file_of(frames[0], "GIF", save_all=True, append_images=frames[1:]))

    assert caught.value.reason == "too_many_pixels"


async def test_an_opaque_alpha_channel_is_noted_but_not_stored(decoder: Decoder) -> None:
    image = photo()
    image.putalpha(255)

    picture = await decode_still(decoder, file_of(image, "PNG"))

    assert picture.has_alpha
    assert picture.alpha is None


@pytest.mark.parametrize("transparent", [5, bytes((0, 128, 255)) * 10])
async def test_a_palette_may_be_transparent(decoder: Decoder, transparent: int | bytes) -> None:
    image = photo("P")

    picture = await decode_still(decoder, file_of(image, "PNG", transparency=transparent))

    index = np.asarray(image)
    opacity = np.full(256, 255, np.uint8)
    if isinstance(transparent, int):
        opacity[transparent] = 0
    else:
        opacity[: len(transparent)] = list(transparent)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, opacity[index])


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
async def test_grey_of_few_bits_fills_the_range_and_its_transparent_sample_is_found(
    decoder: Decoder, depth: int
) -> None:
    rows = {1: b"\0\x40", 2: b"\0\x1b", 4: b"\0\x05\xaf", 8: b"\0\x00\x55\xaa\xff"}[depth]
    width, second = {1: (2, 1), 2: (4, 1), 4: (4, 5), 8: (4, 0x55)}[depth]

    picture = await decode_still(decoder, png_of(width, 1, depth, 0, rows, tRNS=struct.pack(">H", second)))

    assert picture.alpha is not None
    assert picture.pixels.ravel().tolist() == ([0, 255] if depth == 1 else [0, 85, 170, 255])
    assert picture.alpha.ravel().tolist() == [255, 0, 255, 255][:width]


async def test_a_colour_may_be_declared_transparent(decoder: Decoder) -> None:
    colours = bytes((1, 2, 3, 1, 2, 4))

    picture = await decode_still(
        decoder, png_of(2, 1, 8, 2, b"\0" + colours, tRNS=struct.pack(">3H", 1, 2, 4))
    )

    assert picture.alpha is not None
    assert picture.alpha.ravel().tolist() == [255, 0]


async def test_16_bit_grey_keeps_its_bits_and_its_transparent_sample(decoder: Decoder) -> None:
    levels = (0, 128, 129, 0x8080, 65535)

    picture = await decode_still(
        decoder, png_of(5, 1, 16, 0, b"\0" + struct.pack(">5H", *levels), tRNS=struct.pack(">H", 129))
    )

    assert picture.is_grey
    assert picture.pixels.ravel().tolist() == list(levels)
    assert picture.alpha is not None
    assert picture.alpha.ravel().tolist() == [65535, 65535, 0, 65535, 65535]


async def test_16_bit_colour_keeps_its_bits_and_its_transparent_sample(decoder: Decoder) -> None:
    samples = struct.pack(">6H", 0, 0x8000, 0xFFFF, 0x1234, 0, 0)

    picture = await decode_still(
        decoder, png_of(2, 1, 16, 2, b"\0" + samples, tRNS=struct.pack(">3H", 0x1234, 0, 0))
    )

    assert picture.pixels.ravel().tolist() == [0, 0x8000, 0xFFFF, 0x1234, 0, 0]
    assert picture.alpha is not None
    assert picture.alpha.ravel().tolist() == [65535, 0]


async def test_a_16_bit_tiff_keeps_its_bits(decoder: Decoder) -> None:
    image = Image.fromarray(np.array([[0, 258, 65535]], np.uint16))

    picture = await decode_still(decoder, file_of(image, "TIFF"))

    assert picture.pixels.ravel().tolist() == [0, 258, 65535]


async def test_half_a_16_bit_picture_is_refused(decoder: Decoder) -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (300, 200), np.uint16)
    whole = file_of(Image.fromarray(samples), "PNG")

    with pytest.raises(Undecodable) as caught:
        await decoder.decode(whole[: len(whole) // 2])

    assert caught.value.reason == "corrupt_image"


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_the_orientation_of_16_bit_pictures_is_applied_once(
    decoder: Decoder, file_format: str, orientation: int
) -> None:
    upright = np.arange(15, dtype=np.uint16).reshape(3, 5) * np.uint16(4000)
    to_stored = TO_STORED[orientation]
    image = Image.fromarray((upright // 257).astype(np.uint8))
    stored = np.asarray(image if to_stored is None else image.transpose(to_stored), np.uint16) * np.uint16(
        257
    )
    data = file_of(Image.fromarray(stored), file_format, exif=with_orientation(orientation))

    picture = await decode_still(decoder, data)

    assert np.array_equal(picture.pixels[:, :, 0] // 257, upright // 257)


@pytest.mark.parametrize("mode", ["I", "F"])
async def test_samples_of_unknown_range_are_refused(decoder: Decoder, mode: str) -> None:
    with pytest.raises(Undecodable) as caught:
        await decoder.decode(file_of(photo(mode), "TIFF"))

    assert caught.value.reason == "unsupported_format"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP", "JPEG"])
async def test_the_orientation_is_applied_once(decoder: Decoder, orientation: int, file_format: str) -> None:
    upright = photo()
    to_stored = TO_STORED[orientation]
    stored = upright if to_stored is None else upright.transpose(to_stored)
    data = file_of(stored, file_format, exif=with_orientation(orientation), **NEARLY_LOSSLESS[file_format])

    picture = await decode_still(decoder, data)

    assert picture.size == upright.size
    assert np.abs(picture.pixels - np.asarray(upright).astype(int)).mean() < (
        3 if file_format == "JPEG" else 0.01
    )


@pytest.mark.parametrize("file_format", READABLE)
async def test_a_truncated_file_is_undecodable(decoder: Decoder, file_format: str) -> None:
    other = {"HEIF": heic("rgb"), "JXL": jxl(np.asarray(photo("RGB")))}  # which Pillow cannot write
    whole = other.get(file_format) or file_of(photo("P" if file_format == "GIF" else "RGB"), file_format)

    with pytest.raises(Undecodable) as caught:
        await decoder.decode(whole[: len(whole) * 2 // 3])

    assert caught.value.reason in ("corrupt_image", "unsupported_format")


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"<svg/>", bytes(range(256)) * 20, file_of(photo(), "PPM"), file_of(photo(), "ICO")]
)
async def test_other_files_are_undecodable(decoder: Decoder, data: bytes) -> None:
    with pytest.raises(Undecodable) as caught:
        await decoder.decode(data)

    assert caught.value.reason == "unsupported_format"


async def test_a_header_with_too_many_pixels_is_refused(decoder: Decoder) -> None:
    with pytest.raises(Undecodable) as caught:
        await decoder.decode(png_of(50_000, 1_001, 8, 2, b""))

    assert caught.value.reason == "too_many_pixels"


async def test_a_frame_that_reaches_beyond_its_canvas_is_cut_off_there(decoder: Decoder) -> None:
    first, larger = (file_of(Image.new("P", size, 1), "GIF") for size in ((15, 8), (20, 10)))
    data = first[:-1] + larger[larger.index(b",\0\0\0\0") :]

    animation = await decode_animation(decoder, data)

    assert [frame.size for frame in animation.frames] == [(15, 8), (15, 8)]


async def test_a_late_answer_for_one_file_is_not_taken_for_that_of_the_next() -> None:
    """An answer that nobody read is still in the pipe."""
    decoder = Decoder()
    good = file_of(photo(), "PNG")
    await decoder.decode(good)
    [child] = decoder._pool.children

    child.process.request(good, child.limits.seconds_for(0))
    with pytest.raises(DecoderCrashed):
        await decoder.decode(file_of(Image.new("RGB", (7, 7)), "PNG"))

    assert (await decode_still(decoder, good)).size == photo().size
    await decoder.aclose()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
async def test_the_orientation_of_an_animation_is_applied(decoder: Decoder, orientation: int) -> None:
    images = [photo(), photo().rotate(180)]
    to_stored = TO_STORED[orientation]
    stored = [image if to_stored is None else image.transpose(to_stored) for image in images]
    data = file_of(
        stored[0],
        "WEBP",
        save_all=True,
        append_images=stored[1:],
        lossless=True,
        exif=with_orientation(orientation),
    )

    animation = await decode_animation(decoder, data)

    assert all(equals_image(frame, image) for frame, image in zip(animation.frames, images, strict=True))
