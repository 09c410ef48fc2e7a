"""The general texts of the API's description: how to begin, and what the tags are."""

from loupe.contract import MOST_BATCH_IMAGES

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

Every answer is JSON with `success` and `message`, and with `data` if the operation returns any. A refusal
has `success: false`, a `code` for programs that never changes, a `request_id` that helps the operators to
find the request, and `errors` if single fields are invalid. Fields without effect, such as unknown ones, are
accepted and named in `warnings`. A path that does not exist is 404 `not_found`.
A method that a path does not have is 405 `method_not_allowed`, with `Allow`. Request headers that are
malformed, too slow or too long are 400, 408, 414 or 431. HEAD works wherever GET works.

## Limits

Your plan limits the requests in an hour. `RateLimit-Policy` and `RateLimit` on every answer say how many are
left. Polling one image or batch has a limit of its own. Your plan also limits the images in a month:
`X-RateLimit-Limit` and `X-RateLimit-Remaining` are on every answer about images and batches.
"""
TAGS = {
    "auth": "Register, log in and log out. Send a token as `Authorization: Bearer …`.",
    "images": "Upload an image, poll until its `status` is `completed` or `failed`, download the result.",
    "batches": (
        f"Up to {MOST_BATCH_IMAGES} images in one request. Each is processed separately. "
        "Needs a plan with `batch_processing`."
    ),
    "account": "Your profile, your tokens, and what is left of your plan this month.",
    "models": "The models that upscale images in this installation.",
    "plans": "The plans of this installation.",
}
