"""The files of the corpus that are made here: one of each kind, a table of TIFFs, and a suite of BMPs."""

import io
from itertools import product

import numpy as np
from PIL import Image, ImageCms

from tests.heif_files import FOLDER, a_grid, heic
from tests.inference import tiff_files
from tests.inference.test_golden_bmp import SIZE as BMP_SIZE
from tests.inference.test_golden_bmp_table import MASKS, a_bmp
from tests.inference.test_golden_tiff_table import a_colour_map, some_samples
from tests.inference.tiff_files import Kind, a_tiff
from tests.jxl_files import contained, jxl

NOISE = Image.effect_noise((33, 21), 60)


def file_of(mode: str, file_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(np.asarray(NOISE, np.uint16) * 200) if mode == "I;16" else NOISE.convert(mode)
    image.save(out, file_format, **options)
    return out.getvalue()


def animated(file_format: str) -> bytes:
    return file_of("RGB", file_format, save_all=True, append_images=[NOISE.rotate(90), NOISE.rotate(180)])


SAMPLES = np.asarray(NOISE.convert("RGB"))
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
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
    "jxl": jxl(SAMPLES, icc=PROFILE),
    "jxl lossy": jxl(SAMPLES, quality=90),
    "jxl in a container": contained(jxl(SAMPLES), exif=b"MM\0*\0\0\0\x08\0\0\0\0\0\0", parts=2),
    "jxl animated": jxl(SAMPLES, frames=2),
}
"""A small file of every kind that users send."""

HEICS = {path.stem: path.read_bytes() for path in sorted(FOLDER.glob("*.heic"))}


def tiffs() -> dict[str, bytes]:
    """Return a TIFF for each depth, meaning, compression and arrangement, whether it is read or not."""
    meanings = {"white": 0, "grey": 1, "rgb": 2, "palette": 3, "mask": 4, "cmyk": 5, "ycbcr": 6, "lab": 8}
    table = product((1, 4, 8, 16, 32), meanings.items(), tiff_files.COMPRESSIONS, (1, 2), ("<", ">"))
    found = dict[str, bytes]()
    for bits, (name, photometric), compression, planes, order in table:
        kind = Kind(bits=bits, photometric=photometric, compression=compression, planes=planes, order=order)
        if name == "palette":
            kind = Kind(bits=bits, photometric=3, compression=compression, colours=a_colour_map(bits))
        found[f"{bits} {name} {compression} {planes} {order}"] = a_tiff(some_samples(kind), kind)
    return found


def bmps() -> dict[str, bytes]:
    """Return BMPs of all depths, headers and masks, whether they make sense or not."""
    width, height = BMP_SIZE
    random = np.random.default_rng(5)
    found = dict[str, bytes]()
    headers = (12, 16, 40, 52, 56, 64, 108, 124)
    for bits, header, compression in product((1, 2, 4, 8, 16, 24, 32, 64), headers, range(7)):
        row = (width * bits + 31) // 32 * 4
        pixels = random.integers(0, 256, row * height, np.uint8).tobytes()
        table = random.integers(0, 256, 4 << bits, np.uint8).tobytes() if bits <= 8 else b""
        name = f"{bits} bits, header {header}, compression {compression}"
        found[name] = a_bmp(bits, pixels, header=header, compression=compression, table=table)
    for name, (bits, masks) in MASKS.items():
        pixels = random.integers(0, 256, (width * bits + 31) // 32 * 4 * height, np.uint8).tobytes()
        found[name] = a_bmp(bits, pixels, header=108, compression=3, masks=masks)
    return found
