"""What the API's description says of each operation that its route does not: name, words, examples and links.

A route that is not here is described all the same; a test misses it.
"""

from dataclasses import dataclass, field
from typing import Any

from gateway.openapi import examples


@dataclass(frozen=True, slots=True)
class Operation:
    """`message` is word for word what its route answers. `sent`: an example of a body. `refusals` come from
    the operation itself, not from what its route asks of everybody: codes by HTTP status. `leads_to`:
    operations that take `new_id` of its answer, and by which parameter.
    """

    id: str
    summary: str
    message: str | tuple[str, ...]
    data: Any = None
    sent: dict[str, Any] | None = None
    refusals: dict[int, tuple[str, ...]] = field(default_factory=dict[int, tuple[str, ...]])
    leads_to: tuple[str, ...] = ()
    leads_by: str = "image_id"
    new_id: str = "/data/id"
    about: str = ""
    may_be_anyone: bool = False
    """A token is heeded, and none is needed."""


UNKNOWN = Operation("", "", "")
OPERATIONS = {
    "POST /api/auth/register": Operation(
        "register",
        "Create an account",
        "Registration successful. Please verify your email to access all features.",
        {"user": examples.JANE, "token": "1|abc123…", "token_type": "Bearer"},
        examples.REGISTRATION,
        about="The token works at once for the account; all else waits until the mailed link was opened.",
    ),
    "POST /api/auth/login": Operation(
        "login",
        "Log in",
        "Login successful",
        {"user": examples.PAID_JANE, "token": "2|xyz789…", "token_type": "Bearer"},
        {"email": "jane@example.com", "password": "A-good-one-1"},
        {401: ("invalid_credentials",), 403: ("email_unverified",)},
        about="For accounts whose address is verified.",
    ),
    "POST /api/auth/logout": Operation(
        "logout",
        "Revoke the token of this request",
        "Logout successful",
        about="Other tokens stay.",
    ),
    "POST /api/auth/revoke-all": Operation(
        "revokeAllTokens",
        "Revoke all of your tokens",
        "All tokens revoked successfully",
        about="The one of this request among them. Use this if a token is compromised.",
    ),
    "POST /api/auth/forgot-password": Operation(
        "forgotPassword",
        "Ask for a mail to set a new password",
        "If that address is known, a mail with a link is on its way",
        sent={"email": "jane@example.com"},
    ),
    "POST /api/auth/reset-password": Operation(
        "resetPassword",
        "Set a new password by the mailed link",
        "Password reset successfully",
        sent={"token": "eyJhbGciOi…"} | examples.NEW_PASSWORD,
        refusals={403: ("invalid_signature",)},
    ),
    "GET /api/email/verify/{signed}": Operation(
        "verifyEmail",
        "Open the link of the verification mail",
        "Email verified successfully",
        refusals={403: ("invalid_signature",)},
    ),
    "POST /api/email/verification-notification": Operation(
        "resendVerification",
        "Send the verification mail again",
        "Verification link sent",
        sent={"email": "jane@example.com"},
        may_be_anyone=True,
    ),
    "POST /api/images/upscale": Operation(
        "upscaleImage",
        "Upscale an image",
        "Image uploaded and queued for processing",
        examples.accepted(42, "photo.jpg"),
        leads_to=("getImage", "downloadImage", "deleteImage"),
        about="The answer comes at once, the work is done later. Ask for a factor or for an exact size.",
    ),
    "GET /api/images": Operation(
        "listImages",
        "List your images",
        "Images retrieved successfully",
        [examples.IMAGE],
        about="Newest first. A page that is no number, or too large, counts as one that is there.",
    ),
    "GET /api/images/{image_id}": Operation(
        "getImage",
        "Get an image",
        "Image retrieved successfully",
        examples.IMAGE,
        about="Poll this every few seconds until `status` is `completed` or `failed`.",
    ),
    "GET /api/images/{image_id}/download": Operation(
        "downloadImage",
        "Get a link to the upscaled image",
        "Download URL generated successfully",
        examples.DOWNLOAD,
        refusals={400: ("image_processing", "image_failed")},
        about="The link works for an hour and needs no token.",
    ),
    "DELETE /api/images/{image_id}": Operation(
        "deleteImage",
        "Delete an image",
        "Image deleted successfully",
        about="For good, with its files. Unfinished work is cancelled and counts no more.",
    ),
    "POST /api/batches": Operation(
        "createBatch",
        "Upscale several images",
        "Batch created and images queued for processing",
        examples.PENDING_BATCH,
        leads_to=("getBatch", "deleteBatch"),
        leads_by="batch_id",
        about="All or none: one bad file, or one too many for the month, and nothing is taken.",
    ),
    "GET /api/batches": Operation(
        "listBatches",
        "List your batches",
        "Batches retrieved successfully",
        [examples.COMPLETED_BATCH],
        about="Newest first. A page that is no number, or too large, counts as one that is there.",
    ),
    "GET /api/batches/{batch_id}": Operation(
        "getBatch",
        "Get a batch",
        "Batch retrieved successfully",
        examples.COMPLETED_BATCH,
        about="With all of its images. Poll this until `completed_at` is set.",
    ),
    "DELETE /api/batches/{batch_id}": Operation(
        "deleteBatch",
        "Cancel or delete a batch",
        ("Batch cancelled successfully", "Batch deleted successfully"),
        about="What is unfinished is cancelled, and counts no more. One that has ended goes with its images.",
    ),
    "GET /api/models": Operation(
        "listModels",
        "List the models",
        "Models retrieved successfully",
        examples.MODELS,
        about="Those of this installation; what another one has too, this one refuses.",
    ),
    "GET /api/plans": Operation(
        "listPlans",
        "List the plans",
        "Plans retrieved successfully",
        [examples.PLAN],
        about="Those of this installation.",
    ),
    "GET /api/user": Operation(
        "getUser",
        "Get your profile",
        "User retrieved successfully",
        examples.PAID_JANE,
        about="And the plan that you are on.",
    ),
    "PATCH /api/user": Operation(
        "updateUser",
        "Change your name or address",
        "User updated successfully",
        examples.PAID_JANE,
        {"name": "Jane Smith"},
    ),
    "DELETE /api/user": Operation(
        "deleteUser",
        "Delete your account",
        "Account deleted successfully",
        about="For good, with all images and files.",
    ),
    "PUT /api/user/password": Operation(
        "changePassword",
        "Change your password",
        "Password updated successfully",
        sent={"current_password": "A-good-one-0"} | examples.NEW_PASSWORD,
    ),
    "GET /api/usage": Operation(
        "getUsage",
        "Get this month's usage",
        "Usage statistics retrieved successfully",
        examples.USAGE,
        about="By the calendar month, in UTC.",
    ),
    "GET /api/subscription": Operation(
        "getSubscription",
        "Get your subscription and plan",
        "Subscription details retrieved successfully",
        examples.SUBSCRIPTION,
        about="`subscription` is null for those who never had one.",
    ),
    "GET /api/user/tokens": Operation(
        "listTokens",
        "List your tokens",
        "API tokens retrieved successfully",
        {"tokens": [examples.TOKEN], "count": 1},
        about="Their texts are told only once, when they are created.",
    ),
    "POST /api/user/tokens": Operation(
        "createToken",
        "Create a token",
        "API token created successfully",
        {"token": examples.TOKEN, "plain_text": "1|abc123…"},
        {"name": "My App", "abilities": ["images:read"], "expires_at": "2030-01-01T00:00:00Z"},
        leads_to=("revokeToken",),
        leads_by="token_id",
        new_id="/data/token/id",
        about="Takes a token with all abilities. Its text is told only this once.",
    ),
    "DELETE /api/user/tokens/{token_id}": Operation(
        "revokeToken", "Revoke a token", "Token revoked successfully", refusals={403: ("missing_ability",)}
    ),
}
