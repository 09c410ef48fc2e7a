"""The gRPC methods with which operators look at the queue, the storage and the settings."""

from common import rpc, timestamps
from common.settings_in_force import in_force
from images.domain import overview
from images.operations.orphans import orphaned_objects
from images.servicer import Servicer
from loupe.images.v1 import images_pb2 as pb

CACHED_SECONDS = 10.0


class OperatorMethods(Servicer):
    async def GetQueue(self, request: pb.GetQueueRequest, context: rpc.Context) -> pb.GetQueueResponse:
        async with self._sessions.begin() as session:
            queue = await overview.read_queue(session)
            workers = await overview.read_workers(session)
        pace = await self._pace.get(CACHED_SECONDS)
        response = pb.GetQueueResponse(
            waiting=queue.waiting,
            waiting_priority=queue.waiting_priority,
            processing=queue.processing,
            oldest_seconds=max(0.0, float(queue.oldest_seconds)),
            ended_last_hour=pace.ended,
            failed_last_hour=pace.failed,
            workers=map(_worker_to_proto, workers),
        )
        if any(each.is_alive for each in workers):
            response.seconds_left = (await self._estimator.queue()).seconds_until[-1]
        return response

    async def GetStorage(self, request: pb.GetStorageRequest, context: rpc.Context) -> pb.GetStorageResponse:
        stored = await self._storage.get(CACHED_SECONDS)
        return pb.GetStorageResponse(
            images=stored.images,
            original_bytes=stored.original_bytes,
            upscaled_bytes=stored.upscaled_bytes,
            expired_waiting=stored.expired_waiting,
            orphans_deleted=int(orphaned_objects._value.get()),  # noqa: SLF001  the client offers no other way
        )

    async def GetSettings(
        self, request: pb.GetSettingsRequest, context: rpc.Context
    ) -> pb.GetSettingsResponse:
        return pb.GetSettingsResponse(settings=in_force(self._settings))


def _worker_to_proto(state: overview.WorkerState) -> pb.WorkerState:
    return pb.WorkerState(
        name=state.worker.name,
        announced_at=timestamps.to_proto(state.worker.announced_at),
        places=state.worker.places,
        megapixels_per_second=state.worker.megapixels_per_second,
        is_alive=state.is_alive,
    )
