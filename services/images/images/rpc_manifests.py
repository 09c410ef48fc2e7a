"""The gRPC method that accepts manifests. With an idempotency key, it takes effect once."""

from collections.abc import Sequence

from sqlmodel.ext.asyncio.session import AsyncSession

from common import rpc
from images.domain.batches import MOST_SHOWN
from images.servicer import Servicer
from images.submissions import Submission
from images.tables import Batch, Image
from loupe.images.v1 import images_pb2 as pb


class ManifestMethods(Servicer):
    async def CreateManifest(
        self, request: pb.CreateManifestRequest, context: rpc.Context
    ) -> pb.CreateManifestResponse:
        user_id = rpc.principal().user_id
        async with self._submissions.begin(user_id, "batches", rpc.metadata(context)) as submission:
            submission.body.add("manifest", _sent_by_client(request))
            if submission.stored:
                return submission.stored_answer(pb.CreateManifestResponse())
            return await self._create_manifest(user_id, request, submission)

    async def _create_manifest(
        self, user_id: int, request: pb.CreateManifestRequest, submission: Submission
    ) -> pb.CreateManifestResponse:
        response = pb.CreateManifestResponse()

        async def answer(session: AsyncSession, images: Sequence[Image], batch: Batch | None) -> None:
            if batch:
                response.batch.CopyFrom(self._batch_to_proto(batch, images[:MOST_SHOWN], None))
            await submission.store(session, response)

        usage = await self._manifests.accept(user_id, request, answer)
        if usage:
            response.usage.CopyFrom(usage)
        return response


def _sent_by_client(request: pb.CreateManifestRequest) -> bytes:
    """Return the request without what the gateway adds."""
    sent = pb.CreateManifestRequest()
    sent.CopyFrom(request)
    for name in ("api_request", "max_scale"):
        sent.ClearField(name)
    for options in (sent.options, *(item.options for item in sent.items)):
        for name in ("near_misses", "webhook_url_problem"):
            options.ClearField(name)
    for item in sent.items:
        item.ClearField("problems")
    return sent.SerializeToString(deterministic=True)
