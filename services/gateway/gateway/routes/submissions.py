"""Requests that must take effect once: the header `Idempotency-Key`, and answers to repeats."""

import re
from typing import Annotated

from fastapi import Header, Request

from common import errors
from common.channel import Metadata
from gateway.identity.access import apply_usage, record_usage
from gateway.identity.callers import Caller
from loupe import refusals
from loupe.contract import IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_METADATA, QUOTA_USED_UP_METADATA
from loupe.images.v1 import images_pb2 as pb

LONGEST = 255
VISIBLE = "[!-~]"
REFUSALS = (
    refusals.IDEMPOTENCY_KEY_INVALID,
    refusals.IDEMPOTENCY_KEY_IN_USE,
    refusals.IDEMPOTENCY_KEY_REUSED,
)
Replayable = (
    pb.UpscaleResponse
    | pb.CreateBatchResponse
    | pb.CreateManifestResponse
    | pb.RetryImageResponse
    | pb.RetryBatchResponse
    | pb.CreateUploadResponse
)
Key = Annotated[
    str | None,
    Header(
        alias=IDEMPOTENCY_KEY,
        json_schema_extra={"minLength": 1, "maxLength": LONGEST, "pattern": f"^{VISIBLE}+$"},
    ),
]
"""The header, for the description. `metadata_of` reads it, because it must not be sent twice."""


def metadata_of(request: Request, caller: Caller) -> Metadata:
    """Return what images needs to know to answer a repeat. It is empty if the client sent no key.

    Raise `FailedPrecondition` if the key is invalid.
    """
    sent = request.headers.getlist(IDEMPOTENCY_KEY)
    if not sent:
        return ()
    if len(sent) > 1 or not re.fullmatch(f"{VISIBLE}{{1,{LONGEST}}}", sent[0]):
        raise errors.refused(refusals.IDEMPOTENCY_KEY_INVALID)
    key = (IDEMPOTENCY_KEY_METADATA, sent[0])
    return (key, (QUOTA_USED_UP_METADATA, "yes")) if caller.quota_is_used_up else (key,)


def describe_replay(request: Request, response: Replayable) -> bool:
    """Add to the answer's headers that it repeats an earlier answer, if it does. Return whether it does."""
    if response.replayed:
        request.state.headers["Idempotency-Replayed"] = "true"
    return response.replayed


def describe_usage(
    request: Request,
    caller: Caller,
    response: pb.RetryImageResponse | pb.RetryBatchResponse | pb.CreateManifestResponse,
) -> None:
    """Add the same headers to an answer whose usage is absent if nothing was reserved."""
    if not describe_replay(request, response) and response.HasField("usage"):
        apply_usage(request, caller, response.usage)


def describe_answer(
    request: Request, caller: Caller, response: pb.UpscaleResponse | pb.CreateBatchResponse
) -> None:
    """Add to the answer's headers the month's count after it, or that it repeats an earlier answer."""
    if not describe_replay(request, response):
        record_usage(request, caller, response)
