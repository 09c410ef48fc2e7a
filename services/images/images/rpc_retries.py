"""The gRPC methods that retry failed images. With an idempotency key, a retry takes effect once."""

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from common import rpc
from images.servicer import Servicer
from images.submissions import Submission
from images.tables import Batch, Image, Status
from loupe.images.v1 import images_pb2 as pb


class RetryMethods(Servicer):
    async def RetryImage(self, request: pb.RetryImageRequest, context: rpc.Context) -> pb.RetryImageResponse:
        user_id = rpc.principal().user_id
        async with self._submissions.begin(user_id, "images/retry", rpc.metadata(context)) as submission:
            submission.body.add("id", str(request.id).encode())
            if submission.stored:
                return submission.stored_answer(pb.RetryImageResponse())
            return await self._retry_image(user_id, request, submission)

    async def _retry_image(
        self, user_id: int, request: pb.RetryImageRequest, submission: Submission
    ) -> pb.RetryImageResponse:
        response, queue = pb.RetryImageResponse(), await self._estimator.queue_for_uploads()

        async def answer(session: AsyncSession, images: Sequence[Image], _: Batch | None) -> None:
            queue.add(images)
            response.image.CopyFrom(self._to_proto(images[0], queue))
            await submission.store(session, response)

        usage = await self._retries.retry_image(
            user_id, request.id, api_request=request.api_request, last=answer
        )
        response.usage.CopyFrom(usage)
        return response

    async def RetryBatch(self, request: pb.RetryBatchRequest, context: rpc.Context) -> pb.RetryBatchResponse:
        user_id = rpc.principal().user_id
        async with self._submissions.begin(user_id, "batches/retry", rpc.metadata(context)) as submission:
            submission.body.add("id", str(request.id).encode())
            if submission.stored:
                return submission.stored_answer(pb.RetryBatchResponse())
            return await self._retry_batch(user_id, request, submission)

    async def _retry_batch(
        self, user_id: int, request: pb.RetryBatchRequest, submission: Submission
    ) -> pb.RetryBatchResponse:
        response, queue = pb.RetryBatchResponse(), await self._estimator.queue_for_uploads()

        async def answer(session: AsyncSession, images: Sequence[Image], batch: Batch | None) -> None:
            queue.add([image for image in images if image.status == Status.PENDING])
            if batch:
                response.batch.CopyFrom(self._batch_to_proto(batch, images, queue))
            await submission.store(session, response)

        usage = await self._retries.retry_batch(
            user_id, request.id, api_request=request.api_request, last=answer
        )
        response.usage.CopyFrom(usage)
        return response
