"""A completed image has previews, and what a browser cannot show has a pyramid."""

import httpx2

from loupe_local.stack import Stack
from tests.client import get_image, pause_worker, upload_image, wait_for_status
from tests.contract.api_client import SMALL, data_of, invalid_fields, refusal
from tests.contract.shapes import PYRAMID
from tests.pixels import encoded, opened

MADE = "Pyramid retrieved successfully"


async def test_previews_of_both_sides_are_shown_and_a_tiff_comes_in_tiles(jane: httpx2.AsyncClient) -> None:
    image_id = await upload_image(jane, encoded(opened(SMALL), "TIFF"), "scan.tif")
    image = await wait_for_status(jane, image_id, "completed")

    previews = image["previews"]
    assert previews["pyramids"] == ["original", "result"]
    async with httpx2.AsyncClient(trust_env=False) as store:
        for link in (previews["original_url"], previews["result_url"]):
            answer = (await store.get(link)).raise_for_status()
            assert answer.headers["content-type"] == "image/webp"
            assert opened(answer.content).format == "WEBP"
        for side, size in (("original", opened(SMALL).size), ("result", image["upscaled_dimensions"])):
            answer = await jane.get(f"/api/images/{image['id']}/pyramid", params={"of": side})
            pyramid = data_of(answer, MADE, PYRAMID)
            [level] = pyramid["levels"]
            [tile] = level["tiles"]
            last = tile["offset"] + tile["bytes"] - 1
            found = await store.get(pyramid["url"], headers={"Range": f"bytes={tile['offset']}-{last}"})
            assert (found.status_code, opened(found.content).size) == (206, (level["width"], level["height"]))
            assert size in ((level["width"], level["height"]), f"{level['width']}x{level['height']}")


async def test_a_picture_that_browsers_show_has_no_tiles(jane: httpx2.AsyncClient) -> None:
    image = await wait_for_status(jane, await upload_image(jane, SMALL), "completed")

    answers = [await jane.get(f"/api/images/{image['id']}/pyramid{query}") for query in ("", "?of=original")]

    assert image["previews"]["pyramids"] == []
    assert {refusal(answer)[:2] for answer in answers} == {(404, "pyramid_not_found")}


async def test_another_side_is_refused_by_its_name(jane: httpx2.AsyncClient) -> None:
    image_id = await upload_image(jane, SMALL)

    answer = await jane.get(f"/api/images/{image_id}/pyramid?of=both")

    assert list(invalid_fields(answer)) == ["of"]


async def test_an_image_has_no_previews_before_its_end(jane: httpx2.AsyncClient, stack: Stack) -> None:
    with pause_worker(stack):
        image = await get_image(jane, await upload_image(jane, SMALL))

    assert image["previews"] is None
