"""The models that this installation serves. Everybody may list them."""

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from gateway.backend import BackendDep
from gateway.http.envelope import Envelope
from gateway.identity.access import limit_by_caller_or_address
from gateway.openapi import examples
from gateway.openapi.operation import Operation
from loupe.images.v1 import images_pb2 as pb
from rest.choices import ScaleFactor

router = APIRouter(prefix="/api/models", tags=["models"])


class ServedModel(BaseModel):
    name: str
    description: str
    best_for: str
    is_default: bool
    scales: list[ScaleFactor]
    network: str | None
    source: str | None
    licence: str | None
    title: str | None
    commercial_use: bool | None


LIST_MODELS = Operation(
    id="listModels",
    summary="List the models",
    message="Models retrieved successfully",
    description="The models of this installation. It refuses all others.",
    example_data=examples.MODELS,
)


@router.get("", dependencies=[Depends(limit_by_caller_or_address)])
@LIST_MODELS.describes
async def list_models(backend: BackendDep) -> Envelope[list[ServedModel]]:
    response = await backend.as_gateway.images.ListModels(pb.ListModelsRequest())
    return LIST_MODELS.answer([to_served_model(model) for model in response.models])


def to_served_model(model: pb.ServedModel) -> ServedModel:
    return ServedModel(
        name=model.name,
        description=model.description,
        best_for=model.best_for,
        is_default=model.is_default,
        scales=list(model.scales),
        network=model.network or None,
        source=model.source or None,
        licence=model.licence or None,
        title=model.title or None,
        commercial_use=model.commercial_use if model.HasField("commercial_use") else None,
    )
