"""Which models this installation serves, for everybody."""

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel

from gateway.backend import Backend
from gateway.http.envelope import Envelope
from gateway.identity.access import anyone
from loupe.images.v1 import images_pb2 as pb

router = APIRouter(prefix="/api/models", tags=["models"])


class ServedModel(BaseModel):
    name: str
    description: str
    best_for: str
    is_default: bool
    scales: list[int]
    network: str | None
    source: str | None
    licence: str | None


@router.get("", dependencies=[Depends(anyone)])
async def list_models(request: Request) -> Envelope[list[ServedModel]]:
    backend: Backend = request.app.state.backend
    response = await backend.models.ListModels(pb.ListModelsRequest())
    models = [to_served_model(model) for model in response.models]
    return Envelope(message="Models retrieved successfully", data=models)


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
    )
