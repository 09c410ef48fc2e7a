"""The gRPC methods that retry failed images."""

from common import rpc
from images.servicer import Servicer
from images.tables import Status
from loupe.images.v1 import images_pb2 as pb


class RetryMethods(Servicer):
    async def RetryImage(self, request: pb.RetryImageRequest, context: rpc.Context) -> pb.RetryImageResponse:
        user_id = rpc.principal().user_id
        queue = await self._estimator.queue_for_uploads()
        image, usage = await self._retries.retry_image(user_id, request.id, api_request=request.api_request)
        queue.add([image])
        return pb.RetryImageResponse(image=self._to_proto(image, queue), usage=usage)

    async def RetryBatch(self, request: pb.RetryBatchRequest, context: rpc.Context) -> pb.RetryBatchResponse:
        user_id = rpc.principal().user_id
        queue = await self._estimator.queue_for_uploads()
        (batch, images), usage = await self._retries.retry_batch(
            user_id, request.id, api_request=request.api_request
        )
        queue.add([image for image in images if image.status == Status.PENDING])
        return pb.RetryBatchResponse(batch=self._batch_to_proto(batch, images, queue), usage=usage)
