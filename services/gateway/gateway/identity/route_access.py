"""The callers that routes accept. A route declares one of these types for its parameter `caller`."""

from typing import Annotated

from fastapi import Depends

from gateway.identity.access import Access
from gateway.identity.callers import Caller
from loupe.contract import ADMIN

BATCHES = "batch_processing"

TokenHolder = Annotated[Caller, Depends(Access(requires_verification=False))]
"""The user of any valid token."""
AccountReader = Annotated[Caller, Depends(Access("user:read", requires_verification=False))]
AccountOwner = Annotated[Caller, Depends(Access(all_abilities=True, requires_verification=False))]
"""A user who may change the account: the token needs all abilities."""
VerifiedOwner = Annotated[Caller, Depends(Access(all_abilities=True))]
"""The same, with a verified address."""
PlanReader = Annotated[Caller, Depends(Access("user:read"))]
WebhookReader = Annotated[Caller, Depends(Access("user:read"))]

OperatorSession = Annotated[Caller, Depends(Access(ADMIN))]
"""An operator in a session of the console. No API token has this ability."""

UPLOADS = Access("images:write", creates_images=True)
ImageWriter = Annotated[Caller, Depends(UPLOADS)]
ImageReader = Annotated[Caller, Depends(Access("images:read"))]
ImagePoller = Annotated[Caller, Depends(Access("images:read", is_poll=True))]
ImageDeleter = Annotated[Caller, Depends(Access("images:delete"))]

BatchWriter = Annotated[Caller, Depends(Access("images:write", creates_images=True, feature=BATCHES))]
BatchReader = Annotated[Caller, Depends(Access("images:read", feature=BATCHES))]
BatchPoller = Annotated[Caller, Depends(Access("images:read", is_poll=True, feature=BATCHES))]
BatchDeleter = Annotated[Caller, Depends(Access("images:delete", feature=BATCHES))]
