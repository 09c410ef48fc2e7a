"""Describes each field of an answer. A field is found by `Object.field`, or else by its name alone."""

from typing import Any

from gateway.openapi import examples, model_texts, preview_texts, webhook_texts
from gateway.openapi.schema_parts import a_field
from loupe import refusals
from loupe.contract import MOST_MANIFEST_ITEMS

Json = dict[str, Any]
IMAGE: Json = examples.IMAGE
DAY, LATER = examples.DAY, examples.LATER
QUEUE_POSITION = "1 for the image that starts next; null once it has started."
ESTIMATED_SECONDS = "Seconds until the result; null after the end, or while nothing is known yet."

COUNT = {"minimum": 0, "maximum": MOST_MANIFEST_ITEMS}


def _instant(description: str, example: Any) -> Json:
    return a_field(description, example, format="date-time")


def _address(description: str, example: Any) -> Json:
    return a_field(description, example, format="uri")


FIELDS: Json = {
    # envelopes and pages
    "success": {"type": "boolean", "const": True} | a_field("True: the request succeeded.", True),
    "message": {"description": "The outcome, for a person."},
    "data": {"description": "The data that the operation returns."},
    "meta": {"description": "The place of this page in the list."},
    "links": {"description": "The addresses of other pages."},
    "current_page": a_field("The number of this page. The first page is 1.", 1, minimum=1),
    "last_page": a_field("The number of the last page.", 3, minimum=1),
    "per_page": a_field("The largest number of items on a page.", 10, minimum=1, maximum=100),
    "total": a_field("The number of items on all pages.", 27, minimum=0),
    "first": _address("The address of the first page.", examples.PAGE["links"]["first"]),
    "last": _address("The address of the last page.", examples.PAGE["links"]["last"]),
    "prev": _address("The address of the page before; null on the first page.", None),
    "next": _address("The address of the next page; null on the last page.", examples.PAGE["links"]["next"]),
    # images
    "DirectUpload.id": a_field("Send it as `upload_id`.", examples.DIRECT_UPLOAD["id"]),
    "DirectUpload.url": _address("The address for the file.", examples.DIRECT_UPLOAD["url"]),
    "DirectUpload.method": a_field("The method for the file.", "PUT"),
    "DirectUpload.headers": a_field("The headers for the file.", {"Content-Type": "image/jpeg"}),
    "DirectUpload.link_expires_at": _instant("The end of the address.", "2026-02-15T13:00:00.000000Z"),
    "DirectUpload.expires_at": _instant("The end of the upload.", "2026-02-16T12:00:00.000000Z"),
    "Image.id": a_field("The id of the image.", 42),
    "AcceptedImage.id": a_field("The id of the image, for all later requests.", 42),
    "BatchImage.id": a_field("The id of the image.", 101),
    "AcceptedBatchImage.id": a_field("The id of the image.", 101),
    "Image.batch_id": a_field("The id of the image's batch; null if it is in none.", None),
    "batch_id": a_field("The id of the image's batch.", 7),
    "original_filename": a_field("The name of the uploaded file.", "photo.jpg"),
    "original_path": a_field(
        "The key of the original in the object store; empty until its file was fetched.",
        "images/originals/abc123.jpg",
    ),
    "upscaled_path": a_field(
        "The key of the result in the object store; null without a result.", "images/upscaled/abc123.jpg"
    ),
    "original_size": a_field(
        "The size of the original in bytes; 0 until its file was fetched.", 2097152, minimum=0
    ),
    "upscaled_size": a_field("The size of the result in bytes; null without a result.", 8194304, minimum=1),
    "original_size_human": a_field("The size of the original, for a person.", "2 MB"),
    "upscaled_size_human": a_field("The size of the result, for a person; null without a result.", "7.81 MB"),
    "AcceptedImage.original_dimensions": a_field("Always null here. Get the image for its size.", None),
    "AcceptedBatchImage.original_dimensions": a_field("Always null here. Get the batch for sizes.", None),
    "original_dimensions": a_field("Width and height of the original in pixels.", "1920x1080"),
    "upscaled_dimensions": a_field(
        "Width and height of the result in pixels; null without a result.", "3840x2160"
    ),
    "original_dimensions_formatted": a_field("The size of the original, for a person.", "1920 x 1080"),
    "upscaled_dimensions_formatted": a_field(
        "The size of the result, for a person; null without a result.", "3840 x 2160"
    ),
    "Batch.status": a_field("The state of the batch.", "completed"),
    "AcceptedBatch.status": a_field("The state of the batch.", "pending"),
    "AcceptedImage.status": a_field("The state of the image.", "pending"),
    "AcceptedBatchImage.status": a_field("The state of the image.", "pending"),
    "Image.status": a_field("The state of the image.", "completed"),
    "BatchImage.status": a_field("The state of the image.", "completed"),
    "scale_factor": a_field("The requested scale factor; null if an exact size was requested.", 2),
    "target_width": a_field("The requested width in pixels; null if none was requested.", None, minimum=1),
    "target_height": a_field("The requested height in pixels; null if none was requested.", None, minimum=1),
    "api_request": a_field("True if the image was uploaded with this API.", True),
    "created_at": _instant("When this was created.", DAY),
    "updated_at": _instant("When this was last changed.", LATER),
    "processing_time": a_field("How long the work took, in seconds; null until it has ended.", 4.82),
    "queue_time": a_field("How long the image waited, in seconds; null until it has started.", 0.18),
    "download_url": _address(
        "A link to the result, which needs no token. It is new in each answer; null without a result.",
        IMAGE["download_url"],
    ),
    "download_expires_at": _instant(
        "Until when `download_url` works; null without a result.", IMAGE["download_expires_at"]
    ),
    "original_url": _address(
        "A link that shows the original. It needs no token, and works for an hour. It is new in each answer.",
        IMAGE["original_url"],
    ),
    "Image.expires_at": _instant(
        "When the image is deleted by itself; null before its end, and if it is kept.", None
    ),
    "BatchImage.expires_at": _instant(
        "When the image is deleted by itself; null before its end, and if it is kept.", None
    ),
    "Image.error": a_field("Why there is no result; null unless `status` is `failed`.", None),
    "BatchImage.error": a_field("Why there is no result; null unless `status` is `failed`.", None),
    "model": {"description": "The model that was requested, and the model that was used."},
    "Image.progress": a_field("How much of the work is done, in percent.", 100, minimum=0, maximum=100),
    "BatchImage.progress": a_field("How much of the work is done, in percent.", 100, minimum=0, maximum=100),
    "queue_position": a_field(QUEUE_POSITION, None, minimum=1),
    "AcceptedImage.queue_position": a_field(QUEUE_POSITION, 3, minimum=1),
    "AcceptedBatchImage.queue_position": a_field(QUEUE_POSITION, 3, minimum=1),
    "estimated_seconds": a_field(ESTIMATED_SECONDS, None, minimum=1),
    "AcceptedImage.estimated_seconds": a_field(ESTIMATED_SECONDS, 9, minimum=1),
    "AcceptedBatchImage.estimated_seconds": a_field(ESTIMATED_SECONDS, 9, minimum=1),
    "reference": a_field("Your own name for the item of a manifest; null if it has none.", None),
    "Batch.stage": a_field("The present stage of the batch.", "done"),
    "AcceptedBatch.stage": a_field("The present stage of the batch.", "queued"),
    "webhook_url": _address("The address that gets the end; null if the upload named none.", None),
    "warnings": {"description": "Parts of the original that the result lacks, such as pages."},
    "ImageWarning.field": a_field("The field of the upload that it is about.", "image"),
    "ImageWarning.message": a_field(
        "The part that is missing, and why, for a person.", "1 of 3 pages was left out: damaged."
    ),
    "EarlierFailure.code": a_field("The reason, for programs.", "attempts_exhausted"),
    "EarlierFailure.message": a_field("The reason, for a person.", examples.EARLIER_ERROR["message"]),
    "Failure.code": a_field(
        "The reason, for programs: `undecodable`, `attempts_exhausted`, `model_unavailable`, `cancelled`, "
        "`object_lost`, `fetch_failed`, `item_refused`, or one that a later version adds.",
        "undecodable",
    ),
    "Failure.message": a_field("The reason, for a person.", "The file is damaged and could not be decoded."),
    "retryable": a_field("True if another try may succeed; see `retryImage`.", False),
    "earlier_errors": {"description": "The errors before each retry, oldest first, at most 20."},
    "attempts": a_field("How often work on the image had started.", 3, minimum=0),
    "failed_at": _instant("When the image had failed.", LATER),
    "Download.download_url": _address("The link. It needs no token.", examples.DOWNLOAD["download_url"]),
    "filename": a_field("The name that the link gives to the file.", "photo.jpg"),
    "Download.expires_at": _instant("Until when the link works.", examples.DOWNLOAD["expires_at"]),
    # estimates
    "Estimate.accepted": a_field("True if the upload would be accepted.", True),
    "refusals": {"description": "The refusals that the upload would get. Empty if it would be accepted."},
    "EstimatedRefusal.code": a_field("The reason, for programs, as `code` of an error.", "quota_exceeded"),
    "EstimatedRefusal.message": a_field("The reason, for a person.", refusals.QUOTA_EXCEEDED.text),
    "EstimatedRefusal.errors": {
        "description": "The invalid fields, and what is wrong with each; null if no field is at fault.",
        "examples": [None],
    },
    "result": {"description": "The result; null if none is possible."},
    "width": a_field("Width in pixels.", 3840, minimum=1),
    "height": a_field("Height in pixels.", 2160, minimum=1),
    "EstimatedResult.format": a_field("The format of the result.", "jpeg"),
    "Estimate.model": a_field("The requested model; null if no result is possible.", "auto"),
    "quota": {"description": "The quota of this month."},
    "EstimatedQuota.used": a_field("How many images count now.", 42, minimum=0),
    "EstimatedQuota.limit": a_field("The monthly quota; null if there is none.", 100, minimum=0),
    "remaining_after": a_field(
        "How many images are left after this one; null if there is no quota.", 57, minimum=0
    ),
    "seconds": {"description": "How long it takes; null while nothing is known yet."},
    "low": a_field("The lower end of the range for most images, in seconds.", 5, minimum=1),
    "likely": a_field("The most likely time, in seconds.", 9, minimum=1),
    "high": a_field("The upper end of the range for most images, in seconds.", 17, minimum=1),
    # batches
    "Batch.id": a_field("The id of the batch.", 7),
    "AcceptedBatch.id": a_field("The id of the batch, for all later requests.", 7),
    "Batch.name": a_field("The label of the batch; null if it has none.", "Product photos"),
    "AcceptedBatch.name": a_field("The label of the batch; null if it has none.", "Product photos"),
    "total_images": a_field("The number of images.", 3, minimum=1, maximum=MOST_MANIFEST_ITEMS),
    "completed_images": a_field("The number of images with a result.", 3, **COUNT),
    "AcceptedBatch.completed_images": a_field("The number of images with a result.", 0, **COUNT),
    "failed_images": a_field("The number of images that failed.", 0, **COUNT),
    "Batch.progress": a_field("How many images have ended, in percent.", 100, minimum=0, maximum=100),
    "AcceptedBatch.progress": a_field("How many images have ended, in percent.", 0, minimum=0, maximum=100),
    "images": {
        "description": "The first images of the batch, in the order of the upload: up to 100, or 20 in a "
        "list."
    },
    "completed_at": _instant("When the last image ended; null until then.", LATER),
    "AcceptedBatch.completed_at": _instant("When the last image ended; null until then.", None),
    # accounts and tokens
    "User.id": a_field("The id of the user.", 1),
    "User.name": a_field("The name of the user.", "Jane Smith"),
    "email": a_field("The mail address of the user.", "jane@example.com"),
    "email_verified_at": _instant(
        "When the address was verified; null if it is not.", examples.PAID_JANE["email_verified_at"]
    ),
    "profile_photo_url": _address("A picture of the initials.", examples.JANE["profile_photo_url"]),
    "pricing_plan": {"description": "The plan that the user is on."},
    "pending_email": a_field("The address that replaces `email` once it is verified; null if none.", None),
    "second_factor": a_field("True if logging in needs a code of a second factor.", False),
    "secret": a_field("The secret in base32.", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
    "uri": a_field("The secret as an address that apps read from a QR code.", "otpauth://totp/Loupe:jane"),
    "recovery_codes": a_field("The codes. They are shown only this once.", ["abcd-efgh-ijkl-mnop"]),
    "reset_token": a_field("The `token` with which `resetPassword` sets a new password.", "eyJhbGciOi…"),
    "user": {"description": "The user whose token this is."},
    "Session.token": a_field("The text of the token. Send it as `Authorization: Bearer …`.", "1|abc123…"),
    "token_type": a_field("How the token is sent.", "Bearer"),
    "NewToken.token": {"description": "The token, as in the list."},
    "plain_text": a_field("The text of the token. It is shown only this once.", "1|abc123…"),
    "tokens": {"description": "The tokens."},
    "count": a_field("The number of tokens.", 1, minimum=0),
    "Token.id": a_field("The id of the token.", 1),
    "Token.name": a_field("The label of the token.", "My App"),
    "abilities": a_field("The abilities of the token.", examples.TOKEN["abilities"]),
    "last_used_at": _instant(
        "When the token was last used, to the minute; null if never.", examples.TOKEN["last_used_at"]
    ),
    "Token.expires_at": _instant("When the token expires; null if never.", None),
    # plans and usage
    "PricingPlan.id": a_field("The id of the plan.", 2),
    "OfferedPlan.id": a_field("The id of the plan.", 2),
    "PricingPlan.name": a_field("The name of the plan.", "Starter"),
    "Plan.name": a_field("The name of the plan.", "Starter"),
    "OfferedPlan.name": a_field("The name of the plan.", "Starter"),
    "slug": a_field("The name of the plan, for programs.", "starter"),
    "Usage.plan": a_field("The name of the plan, for programs.", "starter"),
    "SubscriptionAndPlan.plan": {"description": "The plan that you are on."},
    "price": a_field("The price of a month; null if it is by agreement.", 9, minimum=0),
    "features": a_field("The features of the plan.", examples.STARTER["features"]),
    "limits": {"description": "The limits of the plan."},
    "max_scale": a_field("How many times longer a side of a result may be.", 4, minimum=1),
    "key": a_field("The name of the limit.", "images_per_month"),
    "value": a_field("The limit; null if there is none.", 25, minimum=0),
    "unit": a_field("The unit of the limit.", "images"),
    "image_uploads": {"description": "The images of this month."},
    "ImageUploads.used": a_field("How many images count against the quota.", 42, minimum=0),
    "ImageUploads.limit": a_field("The monthly quota; null if there is none.", 100, minimum=0),
    "remaining": a_field("How many images are left; null if there is no quota.", 58, minimum=0),
    "unlimited": a_field("True if there is no quota.", False),
    "exceeded": a_field("True if no image is left.", False),
    "percentage": a_field("How much of the quota is used, in percent; 0 if there is none.", 42.0, minimum=0),
    "period_start": _instant("When this month began, in UTC.", "2026-02-01T00:00:00.000000Z"),
    "resets_at": _instant("When the next month begins, in UTC.", "2026-03-01T00:00:00.000000Z"),
    # the audit
    "AuditEntry.id": a_field("The id of the entry.", examples.AUDIT_ENTRY["id"]),
    "AuditEntry.event": {"description": "The name of the event. Names never change their meaning."},
    "AuditEntry.description": a_field("The event, for a person.", examples.AUDIT_ENTRY["description"]),
    "actor": {"description": "Who caused it."},
    "client_address": a_field(
        "The network address of the client, of IPv6 the network; null if it is not known.", "192.0.2.1"
    ),
    "user_agent": a_field("The client's `User-Agent`; null if it sent none.", "curl/8.5.0"),
    "AuditEntry.request_id": a_field(
        "The `X-Request-Id` of the request; null if there was none.", examples.AUDIT_ENTRY["request_id"]
    ),
    "details": a_field("Ids and values that belong to the event, by name.", {"token_id": "3"}),
    "occurred_at": _instant("When it happened.", "2026-02-15T12:00:00.000000Z"),
    "by": {"description": "The time that each entry sums up."},
    "entries": {"description": "One for each day or month, oldest first, also for those without images."},
    "start": a_field("The day, or the first day of the month, in UTC.", "2026-02-01", format="date"),
    "accepted": a_field("How many images were accepted.", 12, minimum=0),
    "completed": a_field("How many images were completed.", 10, minimum=0),
    "returned": a_field("How many images gave their place back: they failed or were cancelled.", 1),
    "UsageEntry.used": a_field("How much the month's count changed: `accepted` minus `returned`.", 11),
    "subscription": {"description": "Your subscription; null if you never had one."},
    "Subscription.id": a_field("The id of the subscription.", 1),
    "Subscription.status": a_field("The state of the subscription.", "active"),
    "type": a_field("Always `default`.", "default"),
    "quantity": a_field("How many times the plan is subscribed to.", 1, minimum=1),
    "trial_ends_at": _instant("When the trial ends; null if there is none.", None),
    "ends_at": _instant("When a cancelled subscription ends; null if it is not cancelled.", None),
    "is_active": a_field("True if the subscription is valid now.", True),
    "is_on_trial": a_field("True during the trial.", False),
    "is_cancelled": a_field("True if the subscription was cancelled.", False),
    "is_on_grace_period": a_field("True if it was cancelled, and is valid until `ends_at`.", False),
    **model_texts.FIELDS,
    **preview_texts.FIELDS,
    **webhook_texts.ANSWER_FIELDS,
}
