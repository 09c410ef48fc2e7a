"""Files of every kind are damaged at random. None may crash the decoder or be read with two sizes."""

import io
import random
from collections.abc import AsyncGenerator

import numpy as np
import pytest
from PIL import Image

from inference.decoding.pool import Decoder
from tests.corpus.checked import checked
from tests.heif_files import a_grid, heic

NOISE = Image.effect_noise((33, 21), 60)
DAMAGED_COPIES = 150


def file_of(mode: str, file_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(np.asarray(NOISE, np.uint16) * 200) if mode == "I;16" else NOISE.convert(mode)
    image.save(out, file_format, **options)
    return out.getvalue()


def animated(file_format: str) -> bytes:
    return file_of("RGB", file_format, save_all=True, append_images=[NOISE.rotate(90), NOISE.rotate(180)])


EXIF = Image.Exif()
EXIF[0x0112] = 6
EXIF[0x013B] = "Jane"
FILES = {
    "jpeg": file_of("RGB", "JPEG", exif=EXIF),
    "jpeg progressive": file_of("RGB", "JPEG", progressive=True),
    "jpeg cmyk": file_of("CMYK", "JPEG"),
    "png": file_of("RGBA", "PNG", exif=EXIF),
    "png palette": file_of("P", "PNG", bits=4),
    "png 16": file_of("I;16", "PNG"),
    "webp": file_of("RGB", "WEBP", exif=EXIF),
    "webp lossless": file_of("RGBA", "WEBP", lossless=True),
    "webp animated": animated("WEBP"),
    "bmp": file_of("RGB", "BMP"),
    "tiff": file_of("RGB", "TIFF", exif=EXIF),
    "tiff lzw": file_of("L", "TIFF", compression="tiff_lzw"),
    "tiff 16": file_of("I;16", "TIFF"),
    "gif": file_of("P", "GIF"),
    "gif animated": animated("GIF"),
    "avif": file_of("RGBA", "AVIF"),
    "avif grey": file_of("L", "AVIF", subsampling="4:0:0"),
    "heic": heic("rgba"),
    "heic 12": heic("rgb12"),
    "heic of tiles": a_grid(2, 2, (100, 90)),
}


@pytest.fixture(scope="module")
async def decoder() -> AsyncGenerator[Decoder]:
    decoder = Decoder()
    yield decoder
    await decoder.aclose()


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Change some bytes, most of them near the beginning, or remove, repeat or cut off a piece."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        position = int(len(result) * rng.random() ** rng.choice((1, 3)))
        result[min(position, len(result) - 1)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    start, end = sorted(rng.randrange(len(result)) for _ in range(2))
    match rng.randrange(6):
        case 0:
            del result[start:end]
        case 1:
            result[start:start] = result[start:end]
        case 2:
            del result[end:]
        case _:
            pass
    return bytes(result)


@pytest.mark.parametrize("kind", FILES)
async def test_a_damaged_file_is_decoded_or_refused_without_a_crash(decoder: Decoder, kind: str) -> None:
    rng = random.Random(kind)

    outcomes = [await checked(decoder, damaged(FILES[kind], rng)) for _ in range(DAMAGED_COPIES)]

    assert (await checked(decoder, FILES[kind])).is_decoded
    assert any(not outcome.is_accepted for outcome in outcomes)
