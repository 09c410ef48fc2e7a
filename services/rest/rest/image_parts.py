"""The smaller objects in an image, as answers show them."""

from pydantic import BaseModel

from loupe.images.v1 import images_pb2 as pb


class ImageWarning(BaseModel):
    field: str
    message: str


class Failure(BaseModel):
    code: str
    message: str
    retryable: bool


class Model(BaseModel):
    asked: str
    used: str | None
    reason: str | None
    message: str | None


def to_warnings(image: pb.Image) -> list[ImageWarning]:
    return [ImageWarning(field=each.field, message=each.message) for each in image.warnings]


def to_failure(image: pb.Image) -> Failure | None:
    if not image.HasField("failure"):
        return None
    failure = image.failure
    return Failure(code=failure.code, message=failure.message, retryable=failure.retryable)


def to_model(model: pb.Model) -> Model:
    return Model(
        asked=model.asked,
        used=model.used or None,
        reason=model.reason or None,
        message=model.message or None,
    )


def to_size(size: pb.Size, between: str) -> str | None:
    return f"{size.width}{between}{size.height}" if size.width else None
