"""The queue and the workers, as operators see them."""

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.backend import BackendDep
from gateway.http.envelope import Envelope, Page
from gateway.identity.route_access import OperatorSession
from gateway.routes.admin.lists import page_of
from gateway.routes.paging import Paging
from loupe.images.v1 import images_pb2 as pb
from rest.values import format_time

router = APIRouter()


class QueueState(BaseModel):
    waiting: int
    waiting_priority: int
    processing: int
    oldest_seconds: float
    """How long the oldest image has waited. Zero if none waits."""
    ended_last_hour: int
    failed_last_hour: int
    seconds_left: float | None
    """Until all is done that waits now. Null while no worker runs."""
    workers: int
    """How many workers run."""
    models: list[str]
    """The models that are served."""


class WorkerState(BaseModel):
    name: str
    is_alive: bool
    """Whether it has announced itself lately. Others are remembered for a month."""
    announced_at: str
    places: int | None
    megapixels_per_second: float | None


@router.get("/queue")
async def get_queue(caller: OperatorSession, backend: BackendDep) -> Envelope[QueueState]:
    queue = await caller.images.GetQueue(pb.GetQueueRequest())
    models = await backend.as_gateway.images.ListModels(pb.ListModelsRequest())
    found = QueueState(
        waiting=queue.waiting,
        waiting_priority=queue.waiting_priority,
        processing=queue.processing,
        oldest_seconds=round(queue.oldest_seconds, 1),
        ended_last_hour=queue.ended_last_hour,
        failed_last_hour=queue.failed_last_hour,
        seconds_left=round(queue.seconds_left, 1) if queue.HasField("seconds_left") else None,
        workers=sum(worker.is_alive for worker in queue.workers),
        models=[model.name for model in models.models],
    )
    return Envelope(message="Queue retrieved successfully", data=found)


@router.get("/workers")
async def list_workers(caller: OperatorSession, paging: Paging) -> Page[WorkerState]:
    """List the workers, the last one to announce itself first."""
    queue = await caller.images.GetQueue(pb.GetQueueRequest())
    return page_of(paging, "Workers retrieved successfully", [to_worker(worker) for worker in queue.workers])


def to_worker(worker: pb.WorkerState) -> WorkerState:
    has_speed = worker.HasField("megapixels_per_second")
    return WorkerState(
        name=worker.name,
        is_alive=worker.is_alive,
        announced_at=format_time(worker.announced_at),
        places=worker.places if worker.HasField("places") else None,
        megapixels_per_second=worker.megapixels_per_second if has_speed else None,
    )
