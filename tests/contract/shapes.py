"""Every object of the documented API as JSON Schema: exactly these keys, in exactly this order.

`additive` keys are our own and come after the documented keys. Clients written for the reference ignore them.
"""

from collections.abc import Iterable
from typing import Any

import jsonschema_rs

from imagefile.formats import CHOICES, READABLE, Format, extension

Schema = dict[str, Any]
URL = r"^https?://\S+$"


def a(kind: str, **rules: object) -> Schema:
    return {"type": kind, **rules}


def path_of(folder: str, formats: Iterable[Format]) -> str:
    return rf"^images/{folder}/\w+\.({'|'.join(extension(name) for name in dict.fromkeys(formats))})$"


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def an_object(documented: dict[str, Schema], additive: dict[str, Schema] | None = None) -> Schema:
    keys = documented | (additive or {})
    return a("object", properties=keys, required=list(keys), additionalProperties=False)


def listed(schema: Schema, **rules: object) -> Schema:
    return a("array", items=schema, **rules)


TEXT = a("string", minLength=1)
COUNT = a("integer", minimum=0)
ID = a("integer", minimum=1)
FLAG = a("boolean")
NULL = a("null")
ADDRESS = a("string", pattern=URL)
INSTANT = a("string", pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
HUMAN_SIZE = a("string", pattern=r"^\d+(\.\d?[1-9])? (B|KB|MB|GB)$")
PLAIN_SIZE = a("string", pattern=r"^\d+x\d+$")
FORMATTED_SIZE = a("string", pattern=r"^\d+ x \d+$")
ABILITY = {"enum": ["images:read", "images:write", "images:delete", "user:read"]}
IMAGE_STATUS = {"enum": ["pending", "processing", "completed", "failed"]}
BATCH_STATUS = {"enum": ["pending", "processing", "completed", "partially_failed", "failed", "cancelled"]}
FACTOR = or_null({"enum": [2, 3, 4]})
SIDE = or_null(a("integer", minimum=1, maximum=16_384))

TOKEN_TEXT = a("string", pattern=r"^[1-9]\d*\|[A-Za-z0-9]{40}[0-9a-f]{8}$")
USER = an_object(
    {
        "id": ID,
        "name": TEXT,
        "email": TEXT,
        "email_verified_at": or_null(INSTANT),
        "profile_photo_url": ADDRESS,
        "created_at": INSTANT,
        "updated_at": INSTANT,
        "pricing_plan": an_object({"id": ID, "name": TEXT, "slug": TEXT}),
    },
    additive={"pending_email": or_null(TEXT), "second_factor": FLAG},
)
SESSION = an_object(
    {
        "user": USER,
        "token": TOKEN_TEXT,
        "token_type": {"const": "Bearer"},
    }
)
TOKEN_KEYS: dict[str, Schema] = {
    "id": ID,
    "name": TEXT,
    "abilities": listed(ABILITY),
    "last_used_at": or_null(INSTANT),
    "created_at": INSTANT,
}
TOKEN = an_object(TOKEN_KEYS, {"expires_at": or_null(INSTANT)})
TOKENS = an_object({"tokens": listed(TOKEN), "count": COUNT})
NEW_TOKEN = an_object({"token": TOKEN, "plain_text": TOKEN_TEXT})

ACCEPTED_KEYS: dict[str, Schema] = {
    "original_filename": TEXT,
    "original_size": ID,
    "original_size_human": HUMAN_SIZE,
    "original_dimensions": NULL,
    "status": {"const": "pending"},
    "scale_factor": FACTOR,
    "target_width": SIDE,
    "target_height": SIDE,
    "api_request": FLAG,
    "created_at": INSTANT,
    "updated_at": INSTANT,
}
IMAGE_KEYS: dict[str, Schema] = {
    "original_filename": TEXT,
    "original_path": a("string", pattern=path_of("originals", READABLE)),
    "upscaled_path": or_null(a("string", pattern=path_of("upscaled", CHOICES.values()))),
    "original_size": ID,
    "upscaled_size": or_null(ID),
    "original_size_human": HUMAN_SIZE,
    "upscaled_size_human": or_null(HUMAN_SIZE),
    "original_dimensions": or_null(PLAIN_SIZE),
    "upscaled_dimensions": or_null(PLAIN_SIZE),
    "original_dimensions_formatted": or_null(FORMATTED_SIZE),
    "upscaled_dimensions_formatted": or_null(FORMATTED_SIZE),
    "status": IMAGE_STATUS,
    "scale_factor": FACTOR,
    "target_width": SIDE,
    "target_height": SIDE,
    "processing_time": or_null(a("number", minimum=0)),
    "api_request": FLAG,
    "download_url": or_null(ADDRESS),
    "created_at": INSTANT,
    "updated_at": INSTANT,
}
WAIT: dict[str, Schema] = {
    "queue_position": or_null(a("integer", minimum=1)),
    "estimated_seconds": or_null(a("integer", minimum=1)),
}
WARNINGS: dict[str, Schema] = {"warnings": listed(an_object({"field": TEXT, "message": TEXT}))}
EARLIER_ERROR = an_object(
    {"code": TEXT, "message": TEXT, "retryable": FLAG, "attempts": COUNT, "failed_at": INSTANT}
)
IMAGE_ADDITIVE: dict[str, Schema] = {
    "queue_time": or_null(a("number", minimum=0)),
    "download_expires_at": or_null(INSTANT),
    "error": or_null(an_object({"code": TEXT, "message": TEXT, "retryable": FLAG})),
    "model": an_object(
        {
            "asked": TEXT,
            "used": or_null(TEXT),
            "reason": or_null(TEXT),
            "message": or_null(TEXT),
            "denoise": or_null(a("integer", minimum=0, maximum=3)),
            "precision": or_null(TEXT),
            "strength": or_null(a("number", minimum=0, maximum=1)),
        }
    ),
    "progress": a("integer", minimum=0, maximum=100),
    **WAIT,
    **WARNINGS,
    "earlier_errors": listed(EARLIER_ERROR, maxItems=20),
    "original_url": ADDRESS,
    "previews": or_null(
        an_object(
            {
                "original_url": or_null(ADDRESS),
                "result_url": or_null(ADDRESS),
                "pyramids": listed({"enum": ["original", "result"]}, maxItems=2),
            }
        )
    ),
    "webhook_url": or_null(ADDRESS),
    "expires_at": or_null(INSTANT),
    "reference": or_null(a("string", minLength=1, maxLength=255)),
}
REFERENCE: dict[str, Schema] = {"reference": or_null(a("string", minLength=1, maxLength=255))}
ACCEPTED_ADDITIVE = WAIT | WARNINGS | REFERENCE
ACCEPTED = an_object({"id": ID} | ACCEPTED_KEYS, ACCEPTED_ADDITIVE)
IMAGE = an_object({"id": ID} | IMAGE_KEYS, IMAGE_ADDITIVE | {"batch_id": or_null(ID)})
DOWNLOAD = an_object({"download_url": ADDRESS, "filename": TEXT}, {"expires_at": INSTANT})
LEVEL = an_object(
    {
        "width": ID,
        "height": ID,
        "columns": ID,
        "rows": ID,
        "tiles": listed(an_object({"offset": ID, "bytes": ID}), minItems=1),
    }
)
PYRAMID = an_object(
    {"url": ADDRESS, "expires_at": INSTANT, "tile_size": {"const": 512}, "levels": listed(LEVEL, minItems=1)}
)

IN_BATCH: dict[str, Schema] = {"id": ID, "batch_id": ID}


def a_batch(image: Schema, most_images: int = 20, most_shown: int = 20) -> Schema:
    return an_object(
        {
            "id": ID,
            "name": or_null(a("string")),
            "status": BATCH_STATUS,
            "total_images": a("integer", minimum=1, maximum=most_images),
            "completed_images": COUNT,
            "failed_images": COUNT,
            "scale_factor": FACTOR,
            "progress": a("integer", minimum=0, maximum=100),
            "images": listed(image, maxItems=most_shown),
            "created_at": INSTANT,
            "updated_at": INSTANT,
            "completed_at": or_null(INSTANT),
        },
        {
            "target_width": SIDE,
            "target_height": SIDE,
            "webhook_url": or_null(ADDRESS),
            "stage": {"enum": ["fetching", "queued", "working", "done"]},
        },
    )


ACCEPTED_BATCH = a_batch(an_object(IN_BATCH | ACCEPTED_KEYS, ACCEPTED_ADDITIVE))
BATCH = a_batch(an_object(IN_BATCH | IMAGE_KEYS, IMAGE_ADDITIVE))

WITHOUT_FILE: dict[str, Schema] = {
    "original_size": COUNT,
    "original_size_human": TEXT,
    "status": IMAGE_STATUS,
}
"""The keys that differ for an image whose file is not there yet."""
ACCEPTED_MANIFEST = a_batch(an_object(IN_BATCH | ACCEPTED_KEYS | WITHOUT_FILE, ACCEPTED_ADDITIVE), 1000, 100)
MANIFEST_IMAGE = an_object(
    IN_BATCH | IMAGE_KEYS | WITHOUT_FILE | {"original_path": a("string")},
    IMAGE_ADDITIVE | {"original_url": or_null(ADDRESS)},
)
MANIFEST = a_batch(MANIFEST_IMAGE, 1000, 100)

DIRECT_UPLOAD = an_object(
    {
        "id": a("string", pattern="^[0-9a-f-]{36}$"),
        "url": ADDRESS,
        "method": {"const": "PUT"},
        "headers": a("object", additionalProperties=TEXT),
        "link_expires_at": INSTANT,
        "expires_at": INSTANT,
    }
)
A_DAY = a("string", pattern=r"^\d{4}-\d{2}-\d{2}$")
USAGE_HISTORY = an_object(
    {
        "by": a("string", enum=["day", "month"]),
        "entries": {
            "type": "array",
            "items": an_object(
                {
                    "start": A_DAY,
                    "accepted": COUNT,
                    "completed": COUNT,
                    "returned": a("integer"),
                    "used": a("integer"),
                },
            ),
        },
    },
)
USAGE = an_object(
    {
        "plan": TEXT,
        "image_uploads": an_object(
            {
                "used": COUNT,
                "limit": or_null(COUNT),
                "remaining": or_null(COUNT),
                "unlimited": FLAG,
                "exceeded": FLAG,
                "percentage": a("number", minimum=0),
            },
            {"period_start": INSTANT, "resets_at": INSTANT},
        ),
        "features": listed(TEXT),
    }
)
ESTIMATE = an_object(
    {
        "accepted": FLAG,
        "refusals": listed(
            an_object({"code": TEXT, "message": TEXT, "errors": or_null(a("object", minProperties=1))})
        ),
        "result": or_null(an_object({"width": ID, "height": ID, "format": TEXT})),
        "model": or_null(TEXT),
        "quota": an_object(
            {"used": COUNT, "limit": or_null(COUNT), "remaining_after": or_null(COUNT)},
        ),
        "seconds": or_null(an_object({"low": ID, "likely": ID, "high": ID})),
    }
)
LIMIT = an_object({"key": TEXT, "value": or_null(COUNT), "unit": TEXT})
PLAN_KEYS: dict[str, Schema] = {
    "name": TEXT,
    "slug": TEXT,
    "price": or_null(COUNT),
    "features": listed(TEXT),
    "limits": listed(LIMIT),
}
PLANS = listed(an_object({"id": ID} | PLAN_KEYS, {"max_scale": {"enum": [2, 3, 4]}}))
MODELS = listed(
    an_object(
        {
            "name": TEXT,
            "description": TEXT,
            "best_for": TEXT,
            "is_default": FLAG,
            "scales": {"const": [2, 3, 4]},
            "network": or_null(TEXT),
            "source": or_null(a("string", pattern=r"^[\w.-]+/[\w.-]+$")),
            "licence": or_null(TEXT),
            "title": or_null(TEXT),
            "commercial_use": or_null(FLAG),
        }
    )
)
SUBSCRIPTION = an_object(
    {
        "subscription": or_null(
            an_object(
                {
                    "id": ID,
                    "type": {"const": "default"},
                    "status": {"enum": ["active", "trialing", "canceled", "past_due"]},
                    "quantity": ID,
                    "trial_ends_at": or_null(INSTANT),
                    "ends_at": or_null(INSTANT),
                    "created_at": INSTANT,
                    "is_active": FLAG,
                    "is_on_trial": FLAG,
                    "is_cancelled": FLAG,
                    "is_on_grace_period": FLAG,
                }
            )
        ),
        "plan": an_object(PLAN_KEYS),
    }
)

FIELD_ERRORS = a("object", additionalProperties=listed(TEXT, minItems=1), minProperties=1)
CODE = a("string", pattern=r"^[a-z]+(_[a-z]+)*$")
REQUEST_ID = a("string", pattern=r"^[A-Za-z0-9._-]{1,128}$")


def a_success(data: Schema | None = None) -> Schema:
    return an_object({"success": {"const": True}, "message": TEXT} | ({"data": data} if data else {}))


def a_page_of(schema: Schema) -> Schema:
    positions = ("current_page", "last_page", "per_page")
    links = {"first": ADDRESS, "last": ADDRESS, "prev": or_null(ADDRESS), "next": or_null(ADDRESS)}
    return an_object(
        {
            "success": {"const": True},
            "message": TEXT,
            "data": listed(schema),
            "meta": an_object(dict.fromkeys(positions, ID) | {"total": COUNT}),
            "links": an_object(links),
        }
    )


def a_failure(*, on_fields: bool) -> Schema:
    fields = {"errors": FIELD_ERRORS} if on_fields else {}
    documented = {"success": {"const": False}, "message": TEXT, **fields}
    return an_object(documented, {"code": CODE, "request_id": REQUEST_ID})


def check(value: Any, schema: Schema) -> None:
    """Raise unless the value has this shape, including the order of keys."""
    jsonschema_rs.Draft202012Validator(schema).validate(value)
    _check_order(value, schema)


def _check_order(value: Any, schema: Schema) -> None:
    for choice in schema.get("anyOf", ()):
        if value is not None and choice != NULL:
            _check_order(value, choice)
    if isinstance(value, list):
        for each in value:
            _check_order(each, schema.get("items", {}))
    if isinstance(value, dict) and "properties" in schema:
        assert list(value) == list(schema["properties"])
        for key, each in value.items():
            _check_order(each, schema["properties"][key])
