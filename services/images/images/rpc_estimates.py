"""The gRPC method that says what an upload would become."""

from common import errors, rpc
from images.servicer import Servicer
from images.uploads import estimates
from loupe.images.v1 import images_pb2 as pb


class EstimateMethods(Servicer):
    async def Estimate(self, request: pb.EstimateRequest, context: rpc.Context) -> pb.EstimateResponse:
        estimate = await self._estimates.estimate(rpc.principal().user_id, request)
        response = pb.EstimateResponse(refusals=[_to_proto(error) for error in estimate.refusals])
        if estimate.images:
            image = estimate.images[0]
            response.result_size.CopyFrom(pb.Size(width=image.upscaled_width, height=image.upscaled_height))
            response.result_format = pb.Format.Value(f"FORMAT_{image.upscaled_format}")
            response.model = image.model_asked
            queue = await self._estimator.queue_for_uploads()
            if seconds := estimates.seconds(estimate.images, queue):
                response.seconds.CopyFrom(seconds)
        return response


def _to_proto(error: errors.ServiceError) -> pb.EstimateResponse.Refusal:
    return pb.EstimateResponse.Refusal(
        code=error.reason,
        message=error.message,
        fields=[
            pb.EstimateResponse.Refusal.Field(name=name, texts=texts) for name, texts in error.fields.items()
        ],
    )
