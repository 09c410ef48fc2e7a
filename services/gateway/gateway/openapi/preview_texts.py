"""The description of previews and pyramids in OpenAPI: an example, and a text for each field."""

from typing import Any

from gateway.openapi import examples
from gateway.openapi.schema_parts import a_field

Json = dict[str, Any]
EXAMPLE: Json = {
    "url": "https://files.example.com/images/previews/abc123.result.pyramid?X-Amz-Signature=77d2",
    "expires_at": examples.IMAGE["download_expires_at"],
    "tile_size": 512,
    "levels": [
        {
            "width": 1000,
            "height": 500,
            "columns": 2,
            "rows": 1,
            "tiles": [{"offset": 44, "bytes": 30200}, {"offset": 30244, "bytes": 28100}],
        },
        {
            "width": 500,
            "height": 250,
            "columns": 1,
            "rows": 1,
            "tiles": [{"offset": 58344, "bytes": 15900}],
        },
    ],
}
FIELDS: Json = {
    "previews": a_field(
        "Small pictures for lists. Null until completed, and if there are none.", examples.PREVIEWS
    ),
    "Previews.original_url": a_field(
        "A link to the original as a WebP of at most 512 pixels a side. It works as long as `download_url`.",
        examples.PREVIEWS["original_url"],
        format="uri",
    ),
    "Previews.result_url": a_field("The same of the result.", examples.PREVIEWS["result_url"], format="uri"),
    "pyramids": {"description": "The pictures that `getPyramid` has."},
    "Pyramid.url": a_field("A link to the file with all tiles.", EXAMPLE["url"], format="uri"),
    "Pyramid.expires_at": a_field("Until when the link works.", EXAMPLE["expires_at"], format="date-time"),
    "tile_size": a_field("The side of a tile in pixels. Those at the end may be smaller.", 512, minimum=1),
    "levels": {"description": "Full size first. Each level halves the one before, and the last is one tile."},
    "columns": a_field("The number of tiles side by side.", 2, minimum=1),
    "rows": a_field("The number of rows of tiles.", 1, minimum=1),
    "tiles": {"description": "The tiles, row by row."},
    "Tile.offset": a_field("The offset of the tile in the file, in bytes.", 44, minimum=0),
    "Tile.bytes": a_field("The length of the tile.", 30200, minimum=1),
    "Level.width": a_field("The width of the picture at this level, in pixels.", 1000, minimum=1),
    "Level.height": a_field("The height of the picture at this level, in pixels.", 500, minimum=1),
}
