"""The report of a batch: a line for each image, as CSV or as one JSON object a line."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from loupe.images.v1 import images_pb2 as pb
from rest.images import to_image

NAME = "report.csv"
"""The name of the report in an archive."""
FORMULA_STARTS = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20")
"""A spreadsheet takes a cell for a formula if it begins with one of these. Some take wide forms too."""
INNER_FORMULA = re.compile(r"([;|\t])(?=\s*[-=+@\uff1d\uff0b\uff0d\uff20])")
"""Where a cell ends for a spreadsheet that splits lines elsewhere than at commas, as in many countries."""


class Line(BaseModel):
    id: int
    file: str | None
    """The name of the result in the archive. None without a result."""
    reference: str | None
    original_filename: str
    status: str
    error_code: str | None
    error_message: str | None
    original_dimensions: str | None
    upscaled_dimensions: str | None
    original_size: int
    upscaled_size: int | None
    model: str | None
    processing_time: float | None
    created_at: str
    updated_at: str


def lines(images: Iterable[pb.Image], names: dict[int, str]) -> Iterator[Line]:
    """Yield a line for each image. `names` are those of the results in the archive, by the image's id."""
    for proto in images:
        image = to_image(proto)
        yield Line(
            id=image.id,
            file=names.get(image.id),
            reference=image.reference,
            original_filename=image.original_filename,
            status=image.status,
            error_code=image.error.code if image.error else None,
            error_message=image.error.message if image.error else None,
            original_dimensions=image.original_dimensions,
            upscaled_dimensions=image.upscaled_dimensions,
            original_size=image.original_size,
            upscaled_size=image.upscaled_size,
            model=image.model.used,
            processing_time=image.processing_time,
            created_at=image.created_at,
            updated_at=image.updated_at,
        )


def to_csv(found: Iterable[Line]) -> bytes:
    """Return the table. What a spreadsheet would take for a formula has an apostrophe before it."""
    table = io.StringIO()
    writer = csv.DictWriter(table, Line.model_fields)
    writer.writeheader()
    for line in found:
        writer.writerow({name: _cell(value) for name, value in line.model_dump().items()})
    return table.getvalue().encode()


def to_ndjson(found: Iterable[Line]) -> bytes:
    return "".join(f"{json.dumps(line.model_dump(), ensure_ascii=False)}\n" for line in found).encode()


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = INNER_FORMULA.sub(r"\1'", value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
