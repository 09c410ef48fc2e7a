# Generated from the OpenAPI document by `make client`. Do not edit.
"""The answers of the API. Fields that are unknown here are kept, and a choice may have unknown values."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """A part of an answer. Fields that a later release adds are in `model_extra`."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True, protected_namespaces=())


Ability = str
"""Known values: `images:read`, `images:write`, `images:delete`, `user:read`."""

AuditActor = str
"""Known values: `user`, `operator`, `system`."""

AuditEvent = str
"""Known values: `account.blocked`, `account.created`, `account.deleted`,
`account.reauthentication_refused`, `account.unblocked`, `address.change_requested`,
`address.changed`, `address.restored`, `address.verified`, `batch.cancelled`, `batch.deleted`,
`dead_letter.redriven`, `first_run.code_made`, `first_run.refused`, `image.deleted`, `mail.limited`,
`operator.appointed`, `operator.dismissed`, `password.change_refused`, `password.changed`,
`password.reset`, `password.reset_requested`, `plan.changed`, `quota.changed`,
`second_factor.disabled`, `second_factor.enabled`, `second_factor.recovery_code_used`,
`second_factor.recovery_codes_replaced`, `second_factor.refused`, `sign_in.admitted`,
`sign_in.blocked`, `sign_in.delayed`, `sign_in.refused`, `sign_in.unverified`,
`signing_key.rotated`, `token.created`, `token.evicted`, `token.revoked`, `webhook.changed`,
`webhook.created`, `webhook.deleted`, `webhook.disabled`, `webhook.secret_rotated`.
"""

BatchStage = str
"""Known values: `fetching`, `queued`, `working`, `done`."""

BatchStatus = str
"""Known values: `pending`, `processing`, `completed`, `partially_failed`, `failed`, `cancelled`."""

DeliveryStatus = str
"""Known values: `waiting`, `delivered`, `failed`."""

EventType = str
"""Known values: `image.accepted`, `image.processing`, `image.completed`, `image.failed`,
`image.expired`, `image.deleted`, `batch.accepted`, `batch.completed`, `batch.partially_failed`,
`batch.failed`, `batch.cancelled`, `image.progress`, `batch.progress`, `webhook.disabled`, `reset`.
"""

ImageStatus = str
"""Known values: `pending`, `processing`, `completed`, `failed`."""

ScaleFactor = int
"""Known values: `2`, `3`, `4`."""

Side = str
"""Known values: `original`, `result`."""

SubscriptionStatus = str
"""Known values: `active`, `trialing`, `canceled`, `past_due`."""

UsageStep = str
"""Known values: `day`, `month`."""

WebhookEventType = str
"""Known values: `image.accepted`, `image.completed`, `image.failed`, `image.expired`, `image.deleted`,
`batch.accepted`, `batch.completed`, `batch.partially_failed`, `batch.failed`, `batch.cancelled`,
`webhook.test`, `webhook.disabled`.
"""


class AcceptedBatch(Answer):
    """A batch that was just accepted."""

    id: int
    """The id of the batch, for all later requests."""
    name: str | None = None
    """The label of the batch; null if it has none."""
    status: BatchStatus
    """The state of the batch."""
    total_images: int
    """The number of images."""
    completed_images: int
    """The number of images with a result."""
    failed_images: int
    """The number of images that failed."""
    scale_factor: ScaleFactor | None = None
    """The requested scale factor; null if an exact size was requested."""
    progress: int
    """How many images have ended, in percent."""
    images: list[AcceptedBatchImage] = []
    """The first images of the batch, in the order of the upload: up to 100, or 20 in a list."""
    created_at: datetime
    """When this was created."""
    updated_at: datetime
    """When this was last changed."""
    completed_at: datetime | None = None
    """When the last image ended; null until then."""
    target_width: int | None = None
    """The requested width in pixels; null if none was requested."""
    target_height: int | None = None
    """The requested height in pixels; null if none was requested."""
    webhook_url: str | None = None
    """The address that gets the end; null if the upload named none."""
    stage: BatchStage
    """The present stage of the batch."""


class AcceptedBatchImage(Answer):
    """An image of a batch that was just accepted."""

    id: int
    """The id of the image."""
    batch_id: int
    """The id of the image's batch."""
    original_filename: str
    """The name of the uploaded file."""
    original_size: int
    """The size of the original in bytes; 0 until its file was fetched."""
    original_size_human: str
    """The size of the original, for a person."""
    original_dimensions: str | None = None
    """Always null here. Get the batch for sizes."""
    status: ImageStatus
    """The state of the image."""
    scale_factor: ScaleFactor | None = None
    """The requested scale factor; null if an exact size was requested."""
    target_width: int | None = None
    """The requested width in pixels; null if none was requested."""
    target_height: int | None = None
    """The requested height in pixels; null if none was requested."""
    api_request: bool
    """True if the image was uploaded with this API."""
    created_at: datetime
    """When this was created."""
    updated_at: datetime
    """When this was last changed."""
    queue_position: int | None = None
    """1 for the image that starts next; null once it has started."""
    estimated_seconds: int | None = None
    """Seconds until the result; null after the end, or while nothing is known yet."""
    warnings: list[ImageWarning] = []
    """Parts of the original that the result lacks, such as pages."""
    reference: str | None = None
    """Your own name for the item of a manifest; null if it has none."""


class AcceptedImage(Answer):
    """An image that was just accepted."""

    id: int
    """The id of the image, for all later requests."""
    original_filename: str
    """The name of the uploaded file."""
    original_size: int
    """The size of the original in bytes; 0 until its file was fetched."""
    original_size_human: str
    """The size of the original, for a person."""
    original_dimensions: str | None = None
    """Always null here. Get the image for its size."""
    status: ImageStatus
    """The state of the image."""
    scale_factor: ScaleFactor | None = None
    """The requested scale factor; null if an exact size was requested."""
    target_width: int | None = None
    """The requested width in pixels; null if none was requested."""
    target_height: int | None = None
    """The requested height in pixels; null if none was requested."""
    api_request: bool
    """True if the image was uploaded with this API."""
    created_at: datetime
    """When this was created."""
    updated_at: datetime
    """When this was last changed."""
    queue_position: int | None = None
    """1 for the image that starts next; null once it has started."""
    estimated_seconds: int | None = None
    """Seconds until the result; null after the end, or while nothing is known yet."""
    warnings: list[ImageWarning] = []
    """Parts of the original that the result lacks, such as pages."""
    reference: str | None = None
    """Your own name for the item of a manifest; null if it has none."""


class AuditEntry(Answer):
    """Something that happened to your account."""

    id: str
    """The id of the entry."""
    event: AuditEvent
    """The name of the event. Names never change their meaning."""
    description: str
    """The event, for a person."""
    actor: AuditActor
    """Who caused it."""
    client_address: str | None = None
    """The network address of the client, of IPv6 the network; null if it is not known."""
    user_agent: str | None = None
    """The client's `User-Agent`; null if it sent none."""
    request_id: str | None = None
    """The `X-Request-Id` of the request; null if there was none."""
    details: dict[str, Any]
    """Ids and values that belong to the event, by name."""
    occurred_at: datetime
    """When it happened."""


class Batch(Answer):
    """Several images that were uploaded in one request."""

    id: int
    """The id of the batch."""
    name: str | None = None
    """The label of the batch; null if it has none."""
    status: BatchStatus
    """The state of the batch."""
    total_images: int
    """The number of images."""
    completed_images: int
    """The number of images with a result."""
    failed_images: int
    """The number of images that failed."""
    scale_factor: ScaleFactor | None = None
    """The requested scale factor; null if an exact size was requested."""
    progress: int
    """How many images have ended, in percent."""
    images: list[BatchImage] = []
    """The first images of the batch, in the order of the upload: up to 100, or 20 in a list."""
    created_at: datetime
    """When this was created."""
    updated_at: datetime
    """When this was last changed."""
    completed_at: datetime | None = None
    """When the last image ended; null until then."""
    target_width: int | None = None
    """The requested width in pixels; null if none was requested."""
    target_height: int | None = None
    """The requested height in pixels; null if none was requested."""
    webhook_url: str | None = None
    """The address that gets the end; null if the upload named none."""
    stage: BatchStage
    """The present stage of the batch."""


class BatchImage(Answer):
    """An image of a batch, with its state and its result."""

    id: int
    """The id of the image."""
    batch_id: int
    """The id of the image's batch."""
    original_filename: str
    """The name of the uploaded file."""
    original_path: str
    """The key of the original in the object store; empty until its file was fetched."""
    upscaled_path: str | None = None
    """The key of the result in the object store; null without a result."""
    original_size: int
    """The size of the original in bytes; 0 until its file was fetched."""
    upscaled_size: int | None = None
    """The size of the result in bytes; null without a result."""
    original_size_human: str
    """The size of the original, for a person."""
    upscaled_size_human: str | None = None
    """The size of the result, for a person; null without a result."""
    original_dimensions: str | None = None
    """Width and height of the original in pixels."""
    upscaled_dimensions: str | None = None
    """Width and height of the result in pixels; null without a result."""
    original_dimensions_formatted: str | None = None
    """The size of the original, for a person."""
    upscaled_dimensions_formatted: str | None = None
    """The size of the result, for a person; null without a result."""
    status: ImageStatus
    """The state of the image."""
    scale_factor: ScaleFactor | None = None
    """The requested scale factor; null if an exact size was requested."""
    target_width: int | None = None
    """The requested width in pixels; null if none was requested."""
    target_height: int | None = None
    """The requested height in pixels; null if none was requested."""
    processing_time: float | None = None
    """How long the work took, in seconds; null until it has ended."""
    api_request: bool
    """True if the image was uploaded with this API."""
    download_url: str | None = None
    """A link to the result, which needs no token. It is new in each answer; null without a result."""
    created_at: datetime
    """When this was created."""
    updated_at: datetime
    """When this was last changed."""
    queue_time: float | None = None
    """How long the image waited, in seconds; null until it has started."""
    download_expires_at: datetime | None = None
    """Until when `download_url` works; null without a result."""
    error: Failure | None = None
    """Why there is no result; null unless `status` is `failed`."""
    model: Model
    """The model that was requested, and the model that was used."""
    progress: int
    """How much of the work is done, in percent."""
    queue_position: int | None = None
    """1 for the image that starts next; null once it has started."""
    estimated_seconds: int | None = None
    """Seconds until the result; null after the end, or while nothing is known yet."""
    warnings: list[ImageWarning] = []
    """Parts of the original that the result lacks, such as pages."""
    earlier_errors: list[EarlierFailure] = []
    """The errors before each retry, oldest first, at most 20."""
    original_url: str | None = None
    """A link that shows the original. It needs no token, and works for an hour. It is new in each
    answer.
    """
    previews: Previews | None = None
    """Small pictures for lists. Null until completed, and if there are none."""
    webhook_url: str | None = None
    """The address that gets the end; null if the upload named none."""
    expires_at: datetime | None = None
    """When the image is deleted by itself; null before its end, and if it is kept."""
    reference: str | None = None
    """Your own name for the item of a manifest; null if it has none."""


class Delivery(Answer):
    """One event for one address, and how the last attempt ended."""

    id: int
    """The id of the delivery."""
    webhook_id: int | None = None
    """The id of the webhook; null if an upload named the address as `webhook_url`."""
    event_id: str
    """The header `webhook-id`, the same for each attempt."""
    type: WebhookEventType
    """The type of the event."""
    status: DeliveryStatus
    """The state of the delivery."""
    attempts: int
    """How often it was attempted since it was added or replayed."""
    next_attempt_at: datetime | None = None
    """When the next attempt is due; null if there is none."""
    last_attempt_at: datetime | None = None
    """When the last attempt ended; null before the first."""
    status_code: int | None = None
    """The status of the last answer; null without an answer."""
    milliseconds: int | None = None
    """How long the last attempt took; null before the first."""
    answer: str | None = None
    """The first 2 KB of the last answer; null before the first attempt."""
    error: str | None = None
    """Why the last attempt got no answer, for programs, such as `too_slow`; else null."""
    image_id: int | None = None
    """The id of the image that the event is about; else null."""
    batch_id: int | None = None
    """The id of the batch that it is about, or of the image's batch."""
    created_at: datetime
    """When this was created."""


class DirectUpload(Answer):
    """The request that stores a file which you are going to upscale."""

    id: str
    """Send it as `upload_id`."""
    url: str
    """The address for the file."""
    method: str
    """The method for the file."""
    headers: dict[str, Any]
    """The headers for the file."""
    link_expires_at: datetime
    """The end of the address."""
    expires_at: datetime
    """The end of the upload."""


class Download(Answer):
    """A link to the result of an image."""

    download_url: str
    """The link. It needs no token."""
    filename: str
    """The name that the link gives to the file."""
    expires_at: datetime
    """Until when the link works."""


class EarlierFailure(Answer):
    """A failure after which the image was retried."""

    code: str
    """The reason, for programs."""
    message: str
    """The reason, for a person."""
    retryable: bool
    """True if another try may succeed; see `retryImage`."""
    attempts: int
    """How often it was attempted since it was added or replayed."""
    failed_at: datetime
    """When the image had failed."""


class Estimate(Answer):
    """The result that an upload would have, and what it would take."""

    accepted: bool
    """True if the upload would be accepted."""
    refusals: list[EstimatedRefusal] = []
    """The refusals that the upload would get. Empty if it would be accepted."""
    result: EstimatedResult | None = None
    """The result; null if none is possible."""
    model: str | None = None
    """The requested model; null if no result is possible."""
    quota: EstimatedQuota
    """The quota of this month."""
    seconds: EstimatedSeconds | None = None
    """How long it takes; null while nothing is known yet."""


class EstimatedQuota(Answer):
    """The quota of this month."""

    used: int
    """How many images count now."""
    limit: int | None = None
    """The monthly quota; null if there is none."""
    remaining_after: int | None = None
    """How many images are left after this one; null if there is no quota."""


class EstimatedRefusal(Answer):
    """A refusal that the upload would get."""

    code: str
    """The reason, for programs, as `code` of an error."""
    message: str
    """The reason, for a person."""
    errors: dict[str, Any] | None = None
    """The invalid fields, and what is wrong with each; null if no field is at fault."""


class EstimatedResult(Answer):
    """The result that the upload would have."""

    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""
    format: str
    """The format of the result."""


class EstimatedSeconds(Answer):
    """The seconds from now until the result of the upload."""

    low: int
    """The lower end of the range for most images, in seconds."""
    likely: int
    """The most likely time, in seconds."""
    high: int
    """The upper end of the range for most images, in seconds."""


class Event(Answer):
    """The data of an event of `GET /api/events`."""

    type: EventType
    """The type of the event."""
    timestamp: datetime
    """When it happened."""
    data: dict[str, Any] | None = None
    """The image or batch as GET answers it when the event is sent; a batch without its images. After a
    deletion only `id` and `deleted`. Null in `reset`.
    """


class Failure(Answer):
    """The reason why an image has no result."""

    code: str
    """The reason, for programs: `undecodable`, `attempts_exhausted`, `model_unavailable`, `cancelled`,
    `object_lost`, `fetch_failed`, `item_refused`, or one that a later version adds.
    """
    message: str
    """The reason, for a person."""
    retryable: bool
    """True if another try may succeed; see `retryImage`."""


class Image(Answer):
    """An uploaded image, with its state and its result."""

    id: int
    """The id of the image."""
    original_filename: str
    """The name of the uploaded file."""
    original_path: str
    """The key of the original in the object store; empty until its file was fetched."""
    upscaled_path: str | None = None
    """The key of the result in the object store; null without a result."""
    original_size: int
    """The size of the original in bytes; 0 until its file was fetched."""
    upscaled_size: int | None = None
    """The size of the result in bytes; null without a result."""
    original_size_human: str
    """The size of the original, for a person."""
    upscaled_size_human: str | None = None
    """The size of the result, for a person; null without a result."""
    original_dimensions: str | None = None
    """Width and height of the original in pixels."""
    upscaled_dimensions: str | None = None
    """Width and height of the result in pixels; null without a result."""
    original_dimensions_formatted: str | None = None
    """The size of the original, for a person."""
    upscaled_dimensions_formatted: str | None = None
    """The size of the result, for a person; null without a result."""
    status: ImageStatus
    """The state of the image."""
    scale_factor: ScaleFactor | None = None
    """The requested scale factor; null if an exact size was requested."""
    target_width: int | None = None
    """The requested width in pixels; null if none was requested."""
    target_height: int | None = None
    """The requested height in pixels; null if none was requested."""
    processing_time: float | None = None
    """How long the work took, in seconds; null until it has ended."""
    api_request: bool
    """True if the image was uploaded with this API."""
    download_url: str | None = None
    """A link to the result, which needs no token. It is new in each answer; null without a result."""
    created_at: datetime
    """When this was created."""
    updated_at: datetime
    """When this was last changed."""
    queue_time: float | None = None
    """How long the image waited, in seconds; null until it has started."""
    download_expires_at: datetime | None = None
    """Until when `download_url` works; null without a result."""
    error: Failure | None = None
    """Why there is no result; null unless `status` is `failed`."""
    model: Model
    """The model that was requested, and the model that was used."""
    progress: int
    """How much of the work is done, in percent."""
    queue_position: int | None = None
    """1 for the image that starts next; null once it has started."""
    estimated_seconds: int | None = None
    """Seconds until the result; null after the end, or while nothing is known yet."""
    warnings: list[ImageWarning] = []
    """Parts of the original that the result lacks, such as pages."""
    earlier_errors: list[EarlierFailure] = []
    """The errors before each retry, oldest first, at most 20."""
    original_url: str | None = None
    """A link that shows the original. It needs no token, and works for an hour. It is new in each
    answer.
    """
    previews: Previews | None = None
    """Small pictures for lists. Null until completed, and if there are none."""
    webhook_url: str | None = None
    """The address that gets the end; null if the upload named none."""
    expires_at: datetime | None = None
    """When the image is deleted by itself; null before its end, and if it is kept."""
    reference: str | None = None
    """Your own name for the item of a manifest; null if it has none."""
    batch_id: int | None = None
    """The id of the image's batch; null if it is in none."""


class ImageUploads(Answer):
    """The images that you have uploaded this month, and those that are left."""

    used: int
    """How many images count against the quota."""
    limit: int | None = None
    """The monthly quota; null if there is none."""
    remaining: int | None = None
    """How many images are left; null if there is no quota."""
    unlimited: bool
    """True if there is no quota."""
    exceeded: bool
    """True if no image is left."""
    percentage: float
    """How much of the quota is used, in percent; 0 if there is none."""
    period_start: datetime
    """When this month began, in UTC."""
    resets_at: datetime
    """When the next month begins, in UTC."""


class ImageWarning(Answer):
    """Something that the result lacks of the original."""

    field: str
    """The field of the upload that it is about."""
    message: str
    """The part that is missing, and why, for a person."""


class Level(Answer):
    """The picture at one size."""

    width: int
    """The width of the picture at this level, in pixels."""
    height: int
    """The height of the picture at this level, in pixels."""
    columns: int
    """The number of tiles side by side."""
    rows: int
    """The number of rows of tiles."""
    tiles: list[Tile] = []
    """The tiles, row by row."""


class Limit(Answer):
    """One limit of a plan."""

    key: str
    """The name of the limit."""
    value: int | None = None
    """The limit; null if there is none."""
    unit: str
    """The unit of the limit."""


class Model(Answer):
    """The model that was requested, and the model that was used."""

    asked: str
    """The model that was requested."""
    used: str | None = None
    """The model that makes the result; null until it is known."""
    reason: str | None = None
    """Why `auto` chose this model, for programs; null if it did not choose."""
    message: str | None = None
    """Why `auto` chose this model, for a person; null if it did not choose."""
    denoise: int | None = None
    """The level of denoising that was used, 0 to 3; null from models without levels."""
    precision: str | None = None
    """The lowest precision that a network computed in: `bf16`, `f16` or `f32`. Null until it is known,
    and if no network was needed.
    """
    strength: float | None = None
    """How much of `enhance` the result has, 0 to 1; the rest is `faithful`. Null from other models,
    and until it is known.
    """


class NewSecondFactor(Answer):
    """The secret of a second factor that is not switched on yet."""

    secret: str
    """The secret in base32."""
    uri: str
    """The secret as an address that apps read from a QR code."""


class NewToken(Answer):
    """A new token and its text, which is shown only this once."""

    token: Token
    """The token, as in the list."""
    plain_text: str
    """The text of the token. It is shown only this once."""


class NewWebhook(Answer):
    """A new webhook and its secret, which is shown only this once."""

    webhook: Webhook
    """The webhook, as in the list."""
    secret: str
    """The secret: `whsec_` and base64."""


class OfferedPlan(Answer):
    """A plan of this installation."""

    id: int
    """The id of the plan."""
    name: str
    """The name of the plan."""
    slug: str
    """The name of the plan, for programs."""
    price: int | None = None
    """The price of a month; null if it is by agreement."""
    features: list[str] = []
    """The features of the plan."""
    limits: list[Limit] = []
    """The limits of the plan."""
    max_scale: int
    """How many times longer a side of a result may be."""


class Plan(Answer):
    """The plan that you are on."""

    name: str
    """The name of the plan."""
    slug: str
    """The name of the plan, for programs."""
    price: int | None = None
    """The price of a month; null if it is by agreement."""
    features: list[str] = []
    """The features of the plan."""
    limits: list[Limit] = []
    """The limits of the plan."""


class Previews(Answer):
    """Small pictures of an image, for lists."""

    original_url: str | None = None
    """A link to the original as a WebP of at most 512 pixels a side. It works as long as
    `download_url`.
    """
    result_url: str | None = None
    """The same of the result."""
    pyramids: list[Side] = []
    """The pictures that `getPyramid` has."""


class PricingPlan(Answer):
    """The plan that a user is on, by name."""

    id: int
    """The id of the plan."""
    name: str
    """The name of the plan."""
    slug: str
    """The name of the plan, for programs."""


class Pyramid(Answer):
    """A picture in tiles."""

    url: str
    """A link to the file with all tiles."""
    expires_at: datetime
    """Until when the link works."""
    tile_size: int
    """The side of a tile in pixels. Those at the end may be smaller."""
    levels: list[Level] = []
    """Full size first. Each level halves the one before, and the last is one tile."""


class RecoveryCodes(Answer):
    """Codes that each replace one code of the second factor."""

    recovery_codes: list[str] = []
    """The codes. They are shown only this once."""


class RestoredAddress(Answer):
    """The address that counts again, and what sets a new password."""

    email: str
    """The mail address of the user."""
    reset_token: str
    """The `token` with which `resetPassword` sets a new password."""


class ServedModel(Answer):
    """A model of this installation."""

    name: str
    """The name, as `model` of an upload."""
    description: str
    """The effect of the model."""
    best_for: str
    """The pictures that the model suits best."""
    is_default: bool
    """True for the model that is used if an upload names none."""
    scales: list[ScaleFactor] = []
    """The scale factors."""
    network: str | None = None
    """The neural network; null for `auto`."""
    source: str | None = None
    """The origin of the network; null for `auto`."""
    licence: str | None = None
    """The licence of the weights; null for `auto`."""
    title: str | None = None
    """The name for people of a model that this installation has added; null for Loupe's own models."""
    commercial_use: bool | None = None
    """Whether the licence of the weights allows commercial use; null if no worker has said so."""


class Session(Answer):
    """A user, and a new token of this user."""

    user: User
    """The user whose token this is."""
    token: str
    """The text of the token. Send it as `Authorization: Bearer …`."""
    token_type: str
    """How the token is sent."""


class SigningSecret(Answer):
    """A secret that signs deliveries."""

    secret: str
    """The secret: `whsec_` and base64."""
    previous_secret_expires_at: datetime | None = None
    """Until when the secret before this one signs too; null if there is none."""


class Subscription(Answer):
    """Your subscription to a plan."""

    id: int
    """The id of the subscription."""
    type: str
    """Always `default`."""
    status: SubscriptionStatus
    """The state of the subscription."""
    quantity: int
    """How many times the plan is subscribed to."""
    trial_ends_at: datetime | None = None
    """When the trial ends; null if there is none."""
    ends_at: datetime | None = None
    """When a cancelled subscription ends; null if it is not cancelled."""
    created_at: datetime
    """When this was created."""
    is_active: bool
    """True if the subscription is valid now."""
    is_on_trial: bool
    """True during the trial."""
    is_cancelled: bool
    """True if the subscription was cancelled."""
    is_on_grace_period: bool
    """True if it was cancelled, and is valid until `ends_at`."""


class SubscriptionAndPlan(Answer):
    """Your subscription, and the plan that you are on."""

    subscription: Subscription | None = None
    """Your subscription; null if you never had one."""
    plan: Plan
    """The plan that you are on."""


class Tile(Answer):
    """A part of a picture, as a WebP in a larger file."""

    offset: int
    """The offset of the tile in the file, in bytes."""
    bytes: int
    """The length of the tile."""


class Token(Answer):
    """An API token, without its text."""

    id: int
    """The id of the token."""
    name: str
    """The label of the token."""
    abilities: list[Ability] = []
    """The abilities of the token."""
    last_used_at: datetime | None = None
    """When the token was last used, to the minute; null if never."""
    created_at: datetime
    """When this was created."""
    expires_at: datetime | None = None
    """When the token expires; null if never."""


class Tokens(Answer):
    """All of your API tokens."""

    tokens: list[Token] = []
    """The tokens."""
    count: int
    """The number of tokens."""


class Usage(Answer):
    """Your plan, and how much of it is used this month."""

    plan: str
    """The name of the plan, for programs."""
    image_uploads: ImageUploads
    """The images of this month."""
    features: list[str] = []
    """The features of the plan."""


class UsageEntry(Answer):
    """The images of a day or of a month."""

    start: date
    """The day, or the first day of the month, in UTC."""
    accepted: int
    """How many images were accepted."""
    completed: int
    """How many images were completed."""
    returned: int
    """How many images gave their place back: they failed or were cancelled."""
    used: int
    """How much the month's count changed: `accepted` minus `returned`."""


class UsageHistory(Answer):
    """Your images by day or by month."""

    by: UsageStep
    """The time that each entry sums up."""
    entries: list[UsageEntry] = []
    """One for each day or month, oldest first, also for those without images."""


class User(Answer):
    """A person with an account."""

    id: int
    """The id of the user."""
    name: str
    """The name of the user."""
    email: str
    """The mail address of the user."""
    email_verified_at: datetime | None = None
    """When the address was verified; null if it is not."""
    profile_photo_url: str
    """A picture of the initials."""
    created_at: datetime
    """When this was created."""
    updated_at: datetime
    """When this was last changed."""
    pricing_plan: PricingPlan
    """The plan that the user is on."""
    pending_email: str | None = None
    """The address that replaces `email` once it is verified; null if none."""
    second_factor: bool
    """True if logging in needs a code of a second factor."""


class Webhook(Answer):
    """An address of yours that gets events."""

    id: int
    """The id of the webhook."""
    url: str
    """The address."""
    types: list[WebhookEventType] = []
    """The types of events that it gets. Empty means all."""
    description: str
    """A label for people."""
    is_enabled: bool
    """Whether it gets events."""
    disabled_reason: str | None = None
    """Why Loupe disabled it: `gone` (it answered 410) or `failing` (five days of failures); else null."""
    failing_since: datetime | None = None
    """When the first failure since the last success was; null if none."""
    previous_secret_expires_at: datetime | None = None
    """Until when the secret before this one signs too; null if there is none."""
    created_at: datetime
    """When this was created."""
    updated_at: datetime
    """When this was last changed."""


class Webhooks(Answer):
    """All of your webhooks."""

    webhooks: list[Webhook] = []
    """The webhooks, newest first."""
    count: int
    """The number of tokens."""
