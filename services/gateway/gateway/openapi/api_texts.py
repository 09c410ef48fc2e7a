"""What the API's description says in general: how to begin, what the tags are, and the words of refusals."""

DESCRIPTION = """
Upscales images with a neural network: two, three or four times, or to an exact size.

## Quick start

1. Register, open the link in the mail, and keep the token:

       curl $LOUPE/api/auth/register -d name='Jane Smith' -d email=jane@example.com \\
         -d password='A-good-one-1' -d password_confirmation='A-good-one-1'

2. Upload an image. The answer comes at once, with the image's id in `data.id`:

       curl $LOUPE/api/images/upscale -H "Authorization: Bearer $TOKEN" -F image=@photo.jpg -F scale_factor=2

3. Poll until `status` is `completed` or `failed`, then fetch the result:

       curl $LOUPE/api/images/42 -H "Authorization: Bearer $TOKEN"
       curl $LOUPE/api/images/42/download -H "Authorization: Bearer $TOKEN"

## Answers

Every answer is JSON: `success`, `message`, and `data` where there is some. A refusal has `success: false`,
a stable `code` for programs, the `request_id` to ask the operators about, and `errors` where fields are at
fault. A path that does not exist is 404 `not_found`; a method that a path does not have is 405
`method_not_allowed`, with `Allow`; a head that is malformed, too slow or too long is 400, 408, 414 or 431.
What can be asked with GET can be asked with HEAD.

## Limits

Requests are limited by the hour, as your plan has it: `RateLimit-Policy` and `RateLimit` tell on every
answer what is left. Polling one image or batch counts on its own. Images are limited by the month:
`X-RateLimit-Limit` and `X-RateLimit-Remaining` tell on every answer about images and batches.
"""
TAGS = {
    "auth": "Get in and out. Tokens are sent as `Authorization: Bearer …`.",
    "images": "Upload an image, poll until its `status` is `completed` or `failed`, download the result.",
    "batches": "Up to 20 images in one request, each done on its own. For plans with `batch_processing`.",
    "account": "Your profile, your tokens, and what your plan leaves you this month.",
    "models": "What an image can be upscaled with here.",
    "plans": "What this installation offers.",
}
MESSAGES = {
    "malformed_body": "The request body is malformed.",
    "image_processing": "Image is still processing",
    "image_failed": "Image processing failed",
    "unauthenticated": "Unauthenticated.",
    "invalid_credentials": "Invalid credentials",
    "email_unverified": "Your email address is not verified.",
    "subscription_expired": "Your subscription has expired.",
    "no_api_access": "Your plan does not include API access.",
    "plan_feature_missing": "Your plan does not include batch processing.",
    "missing_ability": "The token lacks the ability images:write.",
    "quota_exceeded": "You have exceeded your monthly image quota.",
    "invalid_signature": "This link is invalid or has expired.",
    "image_not_found": "Image not found.",
    "batch_not_found": "Batch not found.",
    "token_not_found": "Token not found.",
    "body_too_large": "The request body may not be greater than 11 MiB.",
    "validation_failed": "Validation failed",
    "too_many_requests": "Too many requests.",
    "internal_error": "Something went wrong on our end. Try again later.",
    "service_unavailable": "Service temporarily unavailable.",
    "deadline_exceeded": "The service took too long to answer.",
}
"""Of refusals, by their code."""
