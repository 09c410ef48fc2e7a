"""Pyramids: pictures in tiles, for what a browser cannot show or should not load as a whole."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from common import errors
from gateway.http.envelope import Envelope
from gateway.identity.route_access import ImageReader
from gateway.openapi import examples
from gateway.openapi.operation import Operation
from gateway.routes.images import ImageId
from loupe import refusals
from loupe.images.v1 import images_pb2 as pb
from rest.image_parts import SIDES, Side
from rest.values import format_time

router = APIRouter()


class Tile(BaseModel):
    offset: int
    bytes: int


class Level(BaseModel):
    width: int
    height: int
    columns: int
    rows: int
    tiles: list[Tile]


class Pyramid(BaseModel):
    url: str
    expires_at: str
    tile_size: int
    levels: list[Level]


GET_PYRAMID = Operation(
    id="getPyramid",
    summary="Get the tiles of a picture",
    message="Pyramid retrieved successfully",
    description=(
        "For a picture that browsers cannot show, or of more than 64 megapixels: its tiles, at full size and "
        "in ever smaller levels. `previews.pyramids` of an image says which it has. One file has all tiles. "
        "Fetch a tile from `url` with the header `Range: bytes=<offset>-<offset + bytes - 1>`. It is a WebP."
    ),
    example_data=examples.PYRAMID,
    refusals=(refusals.VALIDATION_FAILED, refusals.PYRAMID_NOT_FOUND),
)


@router.get("/api/images/{image_id}/pyramid", tags=["images"])
@GET_PYRAMID.describes
async def get_pyramid(
    image_id: ImageId, caller: ImageReader, of: Annotated[Side | None, Query()] = None
) -> Envelope[Pyramid]:
    if of and of not in SIDES:
        raise errors.invalid({"of": [errors.choice_text("of", SIDES)]})
    response = await caller.images.GetPyramid(pb.GetPyramidRequest(id=image_id, side=of or "result"))
    return GET_PYRAMID.answer(to_pyramid(response))


def to_pyramid(response: pb.GetPyramidResponse) -> Pyramid:
    return Pyramid(
        url=response.url,
        expires_at=format_time(response.expires_at),
        tile_size=response.tile,
        levels=[
            Level(
                width=level.size.width,
                height=level.size.height,
                columns=level.columns,
                rows=level.rows,
                tiles=[Tile(offset=tile.offset, bytes=tile.bytes) for tile in level.tiles],
            )
            for level in response.levels
        ],
    )
