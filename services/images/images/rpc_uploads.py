"""The gRPC method that prepares direct uploads. With an idempotency key, it takes effect once."""

from sqlmodel.ext.asyncio.session import AsyncSession

from common import rpc, timestamps
from images.servicer import Servicer
from images.submissions import Submission
from images.upload_tables import DirectUpload
from images.uploads.direct import Link
from loupe.images.v1 import images_pb2 as pb


class UploadMethods(Servicer):
    async def CreateUpload(
        self, request: pb.CreateUploadRequest, context: rpc.Context
    ) -> pb.CreateUploadResponse:
        user_id = rpc.principal().user_id
        async with self._submissions.begin(user_id, "uploads", rpc.metadata(context)) as submission:
            submission.body.add("upload", request.SerializeToString(deterministic=True))
            if submission.stored:
                return await self._link_again(user_id, request, submission)

            async def answer(session: AsyncSession, upload: DirectUpload) -> None:
                await submission.store(session, pb.CreateUploadResponse(id=str(upload.id)))

            return _to_proto(await self._direct_uploads.create(user_id, request, answer))

    async def _link_again(
        self, user_id: int, request: pb.CreateUploadRequest, submission: Submission
    ) -> pb.CreateUploadResponse:
        """Return the upload of the earlier call with a new link."""
        stored = submission.stored_answer(pb.CreateUploadResponse())
        response = _to_proto(await self._direct_uploads.sign_again(user_id, stored.id, request))
        response.replayed = True
        return response


def _to_proto(link: Link) -> pb.CreateUploadResponse:
    return pb.CreateUploadResponse(
        id=str(link.upload.id),
        url=link.url,
        headers=link.headers,
        link_expires_at=timestamps.to_proto(link.expires_at),
        expires_at=timestamps.to_proto(link.upload.expires_at),
    )
