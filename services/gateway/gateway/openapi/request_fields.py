"""Describes each body, form field and parameter of a request.

A field is found by `Body.field`, or else by its name alone.
"""

from typing import Any

from gateway.openapi import webhook_texts
from gateway.openapi.schema_parts import a_field
from imagefile.formats import CHOICES
from loupe.contract import ABILITIES, LARGEST_UPLOAD_BYTES, MOST_BATCH_IMAGES, MOST_MANIFEST_ITEMS
from loupe.images.v1.known_models import KNOWN_MODELS
from rest.values import format_size

Json = dict[str, Any]
EXAMPLE_MAIL = "jane@example.com"
EXAMPLE_PASSWORD = "A-good-one-1"  # noqa: S105  an example
BODIES: Json = {
    "AddressToRestore": "The token of the notice of another address.",
    "BatchManifest": "Links and direct uploads, which Loupe fetches later, and the options for all of them.",
    "BatchUpload": "The files of a batch, and the options for all of them.",
    "Code": "A code of the second factor.",
    "Credentials": "Address and password of a user.",
    "EstimateRequest": "A picture, and the options with which it would be uploaded.",
    "FileToUpload": "A file that you are going to store.",
    "ForgottenPassword": "The user who has forgotten the password.",
    "ImageLink": "A link to one file, or the id of a stored one, and its options.",
    "ImageUpload": "One file, and its options.",
    "ManifestItem": "One file, and the options that it has for itself.",
    "NewPassword": "A new password, and the token of the mail.",
    "PasswordChange": "A new password, and the present one.",
    "Proof": "The proof that the token is in the right hands. Empty if it comes from a recent login.",
    "Registration": "The data of a new user.",
    "TokenRequest": "The label, abilities and expiry of a new token.",
    "UserChanges": "The fields that change.",
    "VerificationMailRequest": "The user who needs the mail again.",
    **webhook_texts.BODIES,
}


def _password(description: str, example: str = EXAMPLE_PASSWORD, **rules: Any) -> Json:
    return a_field(description, example, format="password", **rules)


NEW_MAIL = {"format": "email", "maxLength": 255}
NEW_PASSWORD = _password(
    "At least 8 characters, with upper case, lower case and a digit.", minLength=8, maxLength=1024
)
LARGEST_FILE = format_size(LARGEST_UPLOAD_BYTES)
OTHER_SIDE = "without the other side, the aspect ratio is kept. Not together with `scale_factor`."
FIELDS: Json = {
    # accounts and tokens
    "name": a_field("The name of the user.", "Jane Smith", minLength=1, maxLength=255),
    "email": a_field("The mail address of the user.", EXAMPLE_MAIL),
    "Registration.email": a_field("The mail address, which has to be verified.", EXAMPLE_MAIL, **NEW_MAIL),
    "UserChanges.email": a_field("The new mail address, which has to be verified.", EXAMPLE_MAIL, **NEW_MAIL),
    "password": _password("The password of the user."),
    "Registration.password": NEW_PASSWORD,
    "NewPassword.password": NEW_PASSWORD,
    "PasswordChange.password": NEW_PASSWORD,
    "password_confirmation": _password("The same password again."),
    "current_password": _password("The present password.", "A-good-one-0"),
    "otp": a_field("A code of the second factor, or a recovery code.", "123456"),
    "device_name": a_field("A label for the token. The default is the user agent.", "My laptop"),
    "token": a_field("The text after the `#` of the link in the mail.", "eyJhbGciOi…"),
    "TokenRequest.name": a_field("A label for the token.", "My App", minLength=1, maxLength=255),
    "abilities": a_field(
        "The abilities of the token. The default is all.", list(ABILITIES[:1]), uniqueItems=True
    ),
    "expires_at": a_field(
        "A time in the future (RFC 3339). By default the token never expires, or as the installation says.",
        "2030-01-01T00:00:00Z",
    ),
    # uploads
    "filename": a_field("The name of the file.", "photo.jpg", minLength=1),
    "FileToUpload.size": a_field("The exact size of the file in bytes.", 1_234_567, minimum=1),
    "sha256": a_field(
        "The SHA-256 of the file in hexadecimal digits. It is then checked.",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ),
    "content_type": a_field(
        "The type that you will send. By default application/octet-stream.", "image/jpeg"
    ),
    "width": a_field("Width of the original in pixels.", 1920),
    "height": a_field("Height of the original in pixels.", 1080),
    "format": a_field("The format of the original.", "jpeg"),
    "size": a_field("The size of the file in bytes. It matters only if it may be too large.", 2097152),
    "transparent": a_field("True if the original has an alpha channel or a transparent colour.", False),
    "image": a_field(f"The image: a file of at most {LARGEST_FILE}.", "photo.jpg"),
    "image_url": a_field(
        f"A link to the image: an `https` URL on the public internet, to a file of at most {LARGEST_FILE}. "
        "Loupe fetches it within 30 seconds, and follows up to 3 redirects.",
        "https://example.com/photo.jpg",
    ),
    "upload_id": a_field(
        "Instead of a file: the id of a direct upload, from `POST /api/uploads`.",
        "0b8f2c1e-5f1d-4c38-9a52-7d1f3f6f2a10",
    ),
    "images[]": a_field(
        f"The images: up to {MOST_BATCH_IMAGES} files of at most {LARGEST_FILE} each.",
        ["photo1.jpg", "photo2.jpg"],
    ),
    "items": a_field(
        f"The items: 1 to {MOST_MANIFEST_ITEMS:,} objects.",
        [{"image_url": "https://example.com/cats/tom.jpg", "reference": "cats/tom.jpg"}],
    ),
    "reference": a_field(
        "Your own name for the item, which answers, events and reports tell back. "
        "Archives take it for the name of the result, with its folders.",
        "cats/tom.jpg",
    ),
    "on_error": a_field(
        "`reject`: if one item is refused, nothing is accepted. "
        "`skip`: it becomes a failed image, which takes no place in the quota.",
        "reject",
    ),
    "BatchManifest.name": a_field("A label for the batch.", "Product photos"),
    "BatchUpload.name": a_field("A label for the batch.", "Product photos"),
    "scale_factor": a_field("2, 3 or 4. Not together with `target_width` or `target_height`.", 2),
    "target_width": a_field(f"Exact width in pixels; {OTHER_SIDE}", 3000),
    "target_height": a_field(f"Exact height in pixels; {OTHER_SIDE}", 2000),
    "fit": a_field(
        "How the picture fills a size with another aspect ratio: `stretch`, `cover` or `contain`. "
        "Needs both targets.",
        "cover",
    ),
    "output_format": a_field(
        f"One of {', '.join(f'`{choice}`' for choice in CHOICES)}. "
        "The default is the format of the original; BMP and still GIF become PNG.",
        "webp",
    ),
    "quality": a_field("Quality of JPEG, WebP, AVIF and JPEG XL.", 90),
    "model": a_field(
        "A model from `GET /api/models`. Not every installation has all of Loupe's models, and some have "
        "more. `auto` chooses one; the answer says which, and why.\n\n"
        + "\n".join(f"- `{model.name}`: {model.description}" for model in KNOWN_MODELS),
        "auto",
    ),
    "metadata": a_field(
        "`keep` copies EXIF data to the result, including the location of a photo. `strip` does not.", "strip"
    ),
    "expires_in": a_field(
        "Seconds from the end of the image until it is deleted by itself. By default it is kept, or as long "
        "as your plan says.",
        86_400,
    ),
    "denoise": a_field(
        "How much noise and traces of compression `clean` and `art` take away: 0 nothing, 3 most. By "
        "default it follows from the picture. `auto` uses it if it chooses one of these models. The others "
        "refuse it.",
        1,
    ),
    "strength": a_field(
        "How much of `enhance` the result has: 0 is the result of `faithful`, 1 (default) that of `enhance`, "
        "and between them both are blended. It counts to two decimals. The other models refuse it.",
        0.5,
    ),
    "precision": a_field(
        "How exactly networks compute. `auto` takes bfloat16 or half precision where that is faster and the "
        "result looks the same, `exact` single precision. Pictures of 16 bits always get single precision.",
        "auto",
    ),
    "dpi": a_field(
        "Resolution of the result in pixels an inch, for print. The default is that of the original, if any.",
        300,
    ),
    "webhook_url": a_field(
        "An address that gets the end, as a webhook does, signed with the secret of your account.",
        webhook_texts.URL,
    ),
    **webhook_texts.REQUEST_FIELDS,
}
PARAMETERS: Json = {
    # by name, or by `operation.name` where an operation means something else
    "image_id": {"description": "The id of the image.", "example": 42},
    "batch_id": {"description": "The id of the batch.", "example": 7},
    "token_id": {"description": "The id of the token.", "example": 3},
    "signed": {"description": "The signed text in the link of the mail.", "example": "eyJhbGciOi…"},
    "page": {"description": "The number of the page. A page past the end is empty.", "example": 1},
    "per_page": {"description": "The largest number of items on a page.", "example": 15},
    "of": {"description": "The picture. By default the result.", "example": "result"},
    "by": {"description": "The time that each entry sums up. By default a day.", "example": "day"},
    "from": {"description": "The first day, or a day of the first month.", "example": "2026-02-01"},
    "to": {
        "description": "The last day, or a day of the last month. By default today.",
        "example": "2026-02-28",
    },
    "listAudit.event": {"description": "Only events with this name.", "example": "sign_in.refused"},
    "listAudit.from": {
        "description": "Only events from this instant or day on, in UTC.",
        "example": "2026-02-01",
    },
    "listAudit.to": {
        "description": "Only events before this instant, or up to the end of this day.",
        "example": "2026-02-28T12:00:00Z",
    },
    "wait": {
        "description": "Answer when the image or batch has ended, or after this many seconds.",
        "example": 30,
    },
    "Prefer": {
        "description": "`wait=n`, with n from 1 to 120: answer with 200 when it has ended, or as usual after "
        "n seconds. Other preferences are ignored.",
        "example": "wait=30",
    },
    "Idempotency-Key": {
        "description": "A text of your choice, such as a UUID. If no answer came, repeat the request with "
        "the same key and body: it takes effect once. For 24 hours a repeat gets the first answer.",
        "example": "8e03978e-40d5-43e8-bc93-6894a57f9324",
    },
    "types": {
        "description": "Only events of these types, separated by commas. By default all.",
        "example": "image.completed,image.failed",
    },
    "Last-Event-ID": {
        "description": "The id of the last event that the client has. It gets those that happened since.",
        "example": "1767225600000000-17",
    },
    "status": {"description": "Only items in this state. By default all.", "example": "completed"},
    **webhook_texts.PARAMETERS,
}
