"""The address that an upload names for its end: outbound checks it before images gets it."""

from collections.abc import AsyncGenerator
from typing import TypeVar

from common import errors
from gateway.identity.callers import Caller
from loupe.images.v1 import images_pb2 as pb
from loupe.outbound.v1 import outbound_pb2

Options = pb.UpscaleRequest.Options | pb.CreateBatchRequest.Options
UploadMessage = TypeVar("UploadMessage", pb.UpscaleRequest, pb.CreateBatchRequest)
FIELD = "webhook_url"


async def with_checked_address(
    caller: Caller, messages: AsyncGenerator[UploadMessage]
) -> AsyncGenerator[UploadMessage]:
    """Yield the messages of an upload, with a checked `webhook_url` in the options."""
    async for message in messages:
        if message.WhichOneof("part") == "options":
            await check_address(caller, message.options)
        yield message


async def check_address(caller: Caller, options: Options) -> None:
    """Put the address into its normal form. If it is refused, images reports that with the other problems.

    Raise `Unavailable` if outbound does not answer.
    """
    if not options.webhook_url:
        return
    try:
        request = outbound_pb2.CheckAddressRequest(url=options.webhook_url)
        options.webhook_url = (await caller.outbound.CheckAddress(request)).url
    except errors.InvalidArgument as error:
        options.webhook_url_problem = error.fields[FIELD][0]
