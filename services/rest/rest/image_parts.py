"""The smaller objects in an image, as answers show them."""

from pydantic import BaseModel

from loupe.images.v1 import images_pb2 as pb
from rest.values import format_time


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
    precision: str | None


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
        precision=model.precision or None,
    )


def to_size(size: pb.Size, between: str) -> str | None:
    return f"{size.width}{between}{size.height}" if size.width else None
