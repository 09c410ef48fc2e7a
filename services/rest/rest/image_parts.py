"""The smaller objects in an image, as answers show them."""

from typing import Annotated

from pydantic import BaseModel, Field

from loupe.images.v1 import images_pb2 as pb
from rest.choices import a_choice
from rest.values import format_time

SIDES = ("original", "result")
SIDE = a_choice("Side", "A picture of an image: the uploaded one, or its result.", SIDES)
Side = Annotated[str, Field(json_schema_extra=SIDE)]


class ImageWarning(BaseModel):
    field: str
    message: str


class Failure(BaseModel):
    code: str
    message: str
    retryable: bool


class EarlierFailure(Failure):
    attempts: int
    failed_at: str


class Model(BaseModel):
    asked: str
    used: str | None
    reason: str | None
    message: str | None
    denoise: int | None
    precision: str | None
    strength: float | None


class Previews(BaseModel):
    original_url: str | None
    result_url: str | None
    pyramids: list[Side]


def to_warnings(image: pb.Image) -> list[ImageWarning]:
    return [ImageWarning(field=each.field, message=each.message) for each in image.warnings]


def to_failure(image: pb.Image) -> Failure | None:
    if not image.HasField("failure"):
        return None
    failure = image.failure
    return Failure(code=failure.code, message=failure.message, retryable=failure.retryable)


def to_earlier_failures(image: pb.Image) -> list[EarlierFailure]:
    return [
        EarlierFailure(
            code=each.failure.code,
            message=each.failure.message,
            retryable=each.failure.retryable,
            attempts=each.attempts,
            failed_at=format_time(each.failed_at),
        )
        for each in image.earlier_failures
    ]


def to_model(model: pb.Model) -> Model:
    return Model(
        asked=model.asked,
        used=model.used or None,
        reason=model.reason or None,
        message=model.message or None,
        denoise=model.denoise if model.HasField("denoise") else None,
        precision=model.precision or None,
        strength=model.strength if model.HasField("strength") else None,
    )


def to_previews(image: pb.Image) -> Previews | None:
    if not image.HasField("previews"):
        return None
    return Previews(
        original_url=image.previews.original_url or None,
        result_url=image.previews.result_url or None,
        pyramids=list(image.previews.pyramids),
    )


def to_size(size: pb.Size, between: str) -> str | None:
    return f"{size.width}{between}{size.height}" if size.width else None
