"""Pages of a TIFF and frames of an animated PNG come back together, and what is left out is named."""

import io
import zlib
from typing import Any

import httpx2
import numpy as np
import pytest
import tifffile

from imagefile.tiff import Tags
from imagefile.tiff_pages import read_pages
from tests.client import count_used_images, download_result, get_image, upscale, wait_for_status
from tests.contract.api_client import a_batch
from tests.contract.shapes import ACCEPTED, ACCEPTED_BATCH, IMAGE, check
from tests.inference.apng_files import Chunks, Frame, chunks_of_apng, file_of, read_apng
from tests.inference.golden import noise
from tests.inference.tiff_files import DEFLATE, RGB, Kind, some_pages

PAGE_SIZES = [(20, 13), (24, 16), (9, 30)]
PAGE = Kind(photometric=RGB, compression=DEFLATE)
PAGES = some_pages([(noise(*size, 3), PAGE) for size in PAGE_SIZES])
FRAMES = [Frame(noise(20, 13, 4)), Frame(noise(7, 5, 4), (3, 4), 1, 1, (1, 30)), Frame(noise(20, 13, 4))]
ANIMATION = file_of(chunks_of_apng(*FRAMES, plays=3))
ONE_PAGE = "A result in {} has one page of this image: 2 other pages were left out."
ONE_FRAME = "A result in JPEG has one frame of this image: 2 other frames were left out."
DAMAGED = "The animation is damaged: its frames were left out, and the still picture was upscaled."


async def accepted(client: httpx2.AsyncClient, data: bytes, **fields: object) -> tuple[int, list[Any]]:
    """Upload an image. Return its id and its warnings, which the envelope has too."""
    answer = await upscale(client, data, "scan", **fields)
    assert answer.status_code == 202, answer.text
    image = answer.json()["data"]
    check(image, ACCEPTED)
    assert answer.json().get("warnings", []) == image["warnings"]
    return image["id"], image["warnings"]


async def test_all_pages_come_back_for_one_place_of_the_quota(jane: httpx2.AsyncClient) -> None:
    used = await count_used_images(jane)

    image_id, warnings = await accepted(jane, PAGES)
    result = await download_result(jane, image_id)

    with tifffile.TiffFile(io.BytesIO(result)) as file:
        sizes = [(page.shape[1], page.shape[0]) for page in file.pages]
    assert sizes == [(width * 2, height * 2) for width, height in PAGE_SIZES]
    assert warnings == []
    assert await count_used_images(jane) == used + 1
    found = await get_image(jane, image_id)
    check(found, IMAGE)
    assert (found["warnings"], found["upscaled_dimensions"]) == ([], "40x26")


async def test_an_animated_png_comes_back_animated(jane: httpx2.AsyncClient) -> None:
    image_id, warnings = await accepted(jane, ANIMATION)

    found = read_apng(await download_result(jane, image_id))

    assert ([frame.shape for frame in found.frames], found.plays) == ([(26, 40, 4)] * 3, 3)
    assert [float(delay) for delay in found.delays] == pytest.approx([0.1, 1 / 30, 0.1])
    assert warnings == []


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp", "avif"])
async def test_pages_that_a_format_cannot_hold_are_named(
    jane: httpx2.AsyncClient, output_format: str
) -> None:
    image_id, warnings = await accepted(jane, PAGES, output_format=output_format)

    title = {"webp": "WebP"}.get(output_format, output_format.upper())
    assert warnings == [{"field": "output_format", "message": ONE_PAGE.format(title)}]
    found = await wait_for_status(jane, image_id, "completed")
    assert (found["warnings"], found["upscaled_dimensions"]) == (warnings, "40x26")


async def test_frames_that_a_format_cannot_hold_are_named(jane: httpx2.AsyncClient) -> None:
    image_id, warnings = await accepted(jane, ANIMATION, output_format="jpeg")

    assert warnings == [{"field": "output_format", "message": ONE_FRAME}]
    assert (await wait_for_status(jane, image_id, "completed"))["warnings"] == warnings


async def test_a_page_that_cannot_be_decoded_is_named_in_the_end(jane: httpx2.AsyncClient) -> None:
    offset, length = (numbers[0] for numbers in Tags(PAGES, read_pages(PAGES).readable[1].directory).pieces())
    damaged = PAGES[:offset] + bytes(length) + PAGES[offset + length :]

    image_id, warnings = await accepted(jane, damaged)
    result = await download_result(jane, image_id)

    assert warnings == []
    with tifffile.TiffFile(io.BytesIO(result)) as file:
        assert [page.shape[1] for page in file.pages] == [40, 18]
    assert (await get_image(jane, image_id))["warnings"] == [
        {"field": "image", "message": "1 page could not be decoded and was left out."}
    ]


async def test_a_damaged_animation_is_its_still_picture(jane: httpx2.AsyncClient) -> None:
    chunks: Chunks = chunks_of_apng(*FRAMES)
    image_id, warnings = await accepted(jane, file_of([*chunks[:-3], chunks[-1]]))

    result = await download_result(jane, image_id)

    assert warnings == [{"field": "image", "message": DAMAGED}]
    assert b"acTL" not in result


async def test_a_frame_that_cannot_be_decoded_takes_the_animation_with_it(jane: httpx2.AsyncClient) -> None:
    chunks: Chunks = chunks_of_apng(*FRAMES)
    last = max(index for index, (kind, _) in enumerate(chunks) if kind == b"fcTL")
    pixels = zlib.compress(b"\x09" * 4000)  # no filter has the number 9
    for place in range(last + 1, len(chunks)):
        kind, body = chunks[place]
        if kind == b"fdAT":
            chunks[place], pixels = (kind, body[:4] + pixels), b""

    image_id, warnings = await accepted(jane, file_of(chunks))
    result = await download_result(jane, image_id)

    assert warnings == []
    assert (await get_image(jane, image_id))["warnings"] == [{"field": "image", "message": DAMAGED}]
    assert b"acTL" not in result


async def test_too_many_pixels_of_all_pages_upscale_the_first(jane: httpx2.AsyncClient) -> None:
    blank = np.full((2600, 2600, 1), 255, np.uint8)
    data = some_pages([(blank, Kind(compression=DEFLATE, rows=2600))] * 4)

    image_id, warnings = await accepted(jane, data)
    result = await download_result(jane, image_id)

    text = "The 4 pages have more than 100 megapixels together in the result: only the first was upscaled."
    assert warnings == [{"field": "image", "message": text}]
    with tifffile.TiffFile(io.BytesIO(result)) as file:
        assert [page.shape for page in file.pages] == [(5200, 5200)]


async def test_images_of_a_batch_have_their_own_warnings(jane: httpx2.AsyncClient) -> None:
    chunks: Chunks = chunks_of_apng(*FRAMES)
    answer = await a_batch(jane, PAGES, file_of([*chunks[:-3], chunks[-1]]), ANIMATION)

    check(answer.json()["data"], ACCEPTED_BATCH)
    assert [image["warnings"] for image in answer.json()["data"]["images"]] == [
        [],
        [{"field": "image", "message": DAMAGED}],
        [],
    ]
    assert answer.json()["warnings"] == [{"field": "images.1", "message": DAMAGED}]
