"""Examples in the API's description: one account, its images, and one batch."""

from typing import Any

from loupe.contract import ABILITIES, SCALE_FACTORS
from loupe.images.v1.known_models import KNOWN_MODELS

DAY = "2026-02-15T12:00:00.000000Z"
LATER = "2026-02-15T12:00:05.000000Z"


def user(plan: int, name: str, verified_at: str | None) -> dict[str, Any]:
    return {
        "id": 1,
        "name": "Jane Smith",
        "email": "jane@example.com",
        "email_verified_at": verified_at,
        "profile_photo_url": "https://loupe.example.com/photos/JS.svg?shade=1",
        "created_at": DAY,
        "updated_at": DAY,
        "pricing_plan": {"id": plan, "name": name, "slug": name.lower()},
        "pending_email": None,
        "second_factor": False,
    }


def accepted(number: int, name: str, **more: Any) -> dict[str, Any]:
    """Return an image that was just uploaded. The contract wants the fields in `more` after the id."""
    return {
        "id": number,
        **more,
        "original_filename": name,
        "original_size": 2097152,
        "original_size_human": "2 MB",
        "original_dimensions": None,
        "status": "pending",
        "scale_factor": 2,
        "target_width": None,
        "target_height": None,
        "api_request": True,
        "created_at": DAY,
        "updated_at": DAY,
        "queue_position": 3,
        "estimated_seconds": 9,
        "warnings": [],
        "reference": None,
    }


MODEL_USED = {
    "asked": "auto",
    "used": "faithful",
    "reason": "clean_photo",
    "message": "A photo without visible wear: the model nearest to the original.",
    "denoise": None,
    "precision": "bf16",
    "strength": None,
}
PREVIEWS = {
    "original_url": "https://files.example.com/images/previews/abc123.original.webp?X-Amz-Signature=1b77",
    "result_url": "https://files.example.com/images/previews/abc123.result.webp?X-Amz-Signature=c04e",
    "pyramids": [],
}


def completed(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        **more,
        "original_filename": name,
        "original_path": "images/originals/abc123.jpg",
        "upscaled_path": "images/upscaled/abc123.jpg",
        "original_size": 2097152,
        "upscaled_size": 8194304,
        "original_size_human": "2 MB",
        "upscaled_size_human": "7.81 MB",
        "original_dimensions": "1920x1080",
        "upscaled_dimensions": "3840x2160",
        "original_dimensions_formatted": "1920 x 1080",
        "upscaled_dimensions_formatted": "3840 x 2160",
        "status": "completed",
        "scale_factor": 2,
        "target_width": None,
        "target_height": None,
        "processing_time": 4.82,
        "api_request": True,
        "download_url": "https://files.example.com/images/upscaled/abc123.jpg?X-Amz-Signature=5f0c",
        "created_at": DAY,
        "updated_at": LATER,
        "queue_time": 0.18,
        "download_expires_at": "2026-02-15T13:00:05.000000Z",
        "error": None,
        "model": MODEL_USED,
        "progress": 100,
        "queue_position": None,
        "estimated_seconds": None,
        "warnings": [],
        "earlier_errors": [],
        "original_url": "https://files.example.com/images/originals/abc123.jpg?X-Amz-Signature=9e1d",
        "previews": PREVIEWS,
        "webhook_url": None,
        "expires_at": None,
        "reference": None,
    }


EARLIER_ERROR = {
    "code": "attempts_exhausted",
    "message": "The image could not be processed in 3 attempts.",
    "retryable": True,
    "attempts": 3,
    "failed_at": LATER,
}


def retried(image: dict[str, Any]) -> dict[str, Any]:
    """Return the image as it is once it was retried."""
    result = (
        "upscaled_path", "upscaled_size", "upscaled_size_human", "upscaled_dimensions", "processing_time",
        "upscaled_dimensions_formatted", "download_url", "queue_time", "download_expires_at", "previews",
    )  # fmt: skip
    no_model = {"asked": "auto", "used": None, "reason": None, "message": None}
    no_model |= {"denoise": None, "precision": None, "strength": None}
    return {
        **image,
        **dict.fromkeys(result),
        "status": "pending",
        "model": no_model,
        "progress": 0,
        "queue_position": 3,
        "estimated_seconds": 9,
        "earlier_errors": [EARLIER_ERROR],
    }


def _batch(status: str, images: list[dict[str, Any]], done: int, ended_at: str | None) -> dict[str, Any]:
    return {
        "id": 7,
        "name": "Product photos",
        "status": status,
        "total_images": len(images),
        "completed_images": done,
        "failed_images": 0,
        "scale_factor": 2,
        "progress": 100 * done // len(images),
        "images": images,
        "created_at": DAY,
        "updated_at": ended_at or DAY,
        "completed_at": ended_at,
        "target_width": None,
        "target_height": None,
        "webhook_url": None,
        "stage": "done" if ended_at else "queued" if status == "pending" else "working",
    }


FILES = ((101, "photo1.jpg"), (102, "photo2.jpg"), (103, "photo3.jpg"))
PENDING_BATCH = _batch("pending", [accepted(number, name, batch_id=7) for number, name in FILES], 0, None)
COMPLETED_BATCH = _batch(
    "completed", [completed(number, name, batch_id=7) for number, name in FILES], 3, LATER
)
JANE = user(1, "Free", None)
PAID_JANE = user(2, "Starter", "2026-02-15T12:05:00.000000Z")
NEW_PASSWORD = {"password": "A-good-one-1", "password_confirmation": "A-good-one-1"}
REGISTRATION = {
    "name": "Jane Smith",
    "email": "jane@example.com",
    **NEW_PASSWORD,
    "device_name": "My laptop",
}
PAGE = {
    "meta": {"current_page": 1, "last_page": 3, "per_page": 10, "total": 27},
    "links": {
        "first": "https://loupe.example.com/api/images?page=1&per_page=10",
        "last": "https://loupe.example.com/api/images?page=3&per_page=10",
        "prev": None,
        "next": "https://loupe.example.com/api/images?page=2&per_page=10",
    },
}
TOKEN = {
    "id": 1,
    "name": "My App",
    "abilities": [*ABILITIES],
    "last_used_at": "2026-02-15T11:30:00.000000Z",
    "created_at": "2026-01-15T09:00:00.000000Z",
    "expires_at": None,
}
DIRECT_UPLOAD = {
    "id": "0b8f2c1e-5f1d-4c38-9a52-7d1f3f6f2a10",
    "url": "https://files.example.com/loupe/images/incoming/5b2c9d?X-Amz-Signature=af0e",
    "method": "PUT",
    "headers": {"Content-Type": "image/jpeg"},
    "link_expires_at": "2026-02-15T13:00:00.000000Z",
    "expires_at": "2026-02-16T12:00:00.000000Z",
}
USAGE = {
    "plan": "starter",
    "image_uploads": {
        "used": 42,
        "limit": 100,
        "remaining": 58,
        "unlimited": False,
        "exceeded": False,
        "percentage": 42.0,
        "period_start": "2026-02-01T00:00:00.000000Z",
        "resets_at": "2026-03-01T00:00:00.000000Z",
    },
    "features": ["api_access", "priority_support"],
}
USAGE_HISTORY = {
    "by": "day",
    "entries": [{"start": "2026-02-01", "accepted": 12, "completed": 10, "returned": 1, "used": 11}],
}
AUDIT_ENTRY = {
    "id": "3f0f4f6e-6f0c-4d0b-9f5e-0a6f3b1c2d4e",
    "event": "sign_in.admitted",
    "description": "a user logged in",
    "actor": "user",
    "client_address": "192.0.2.1",
    "user_agent": "curl/8.5.0",
    "request_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "details": {"token_id": "3"},
    "occurred_at": "2026-02-15T12:00:00.000000Z",
}
STARTER = {
    "name": "Starter",
    "slug": "starter",
    "price": 9,
    "features": ["api_access", "priority_support"],
    "limits": [
        {"key": "images_per_month", "value": 25, "unit": "images"},
        {"key": "requests_per_hour", "value": 500, "unit": "requests"},
        {"key": "max_scale", "value": 4, "unit": "factor"},
    ],
}
SUBSCRIPTION = {
    "subscription": {
        "id": 1,
        "type": "default",
        "status": "active",
        "quantity": 1,
        "trial_ends_at": None,
        "ends_at": None,
        "created_at": "2026-01-01T00:00:00.000000Z",
        "is_active": True,
        "is_on_trial": False,
        "is_cancelled": False,
        "is_on_grace_period": False,
    },
    "plan": STARTER,
}
PLAN = {"id": 2, **STARTER, "max_scale": 4}
MODELS = [
    {
        "name": model.name,
        "description": model.description,
        "best_for": model.best_for,
        "is_default": model.name == "auto",
        "scales": [*SCALE_FACTORS],
        "network": model.networks[0].title if model.networks else None,
        "source": model.networks[0].source if model.networks else None,
        "licence": model.networks[0].licence if model.networks else None,
        "title": None,
        "commercial_use": True,
    }
    for model in KNOWN_MODELS[:2]
]
RETRIED_BATCH = COMPLETED_BATCH | {
    "status": "processing",
    "completed_images": 2,
    "progress": 66,
    "images": [*COMPLETED_BATCH["images"][:2], retried(COMPLETED_BATCH["images"][2])],
    "completed_at": None,
}
IMAGE = {**completed(42, "photo.jpg"), "batch_id": None}
ESTIMATE = {
    "accepted": True,
    "refusals": [],
    "result": {"width": 3840, "height": 2160, "format": "jpeg"},
    "model": "auto",
    "quota": {"used": 42, "limit": 100, "remaining_after": 57},
    "seconds": {"low": 5, "likely": 9, "high": 17},
}
RETRIED = retried(IMAGE)
EVENT = {"type": "image.completed", "timestamp": IMAGE["updated_at"], "data": IMAGE}
DOWNLOAD = {
    "download_url": IMAGE["download_url"],
    "filename": "photo.jpg",
    "expires_at": IMAGE["download_expires_at"],
}
