"""The general texts of the API's description: how to begin, and what the tags are."""

from loupe.contract import MOST_BATCH_IMAGES

DESCRIPTION = """
Upscales images with a neural network: two, three or four times, or to an exact size.

## Quick start

`API` is the address of this page without `/docs`. Every answer is JSON. If Loupe refuses a request, `message`
and `errors` of its answer say why.

1. Register. The answer contains a token. Then open the link in the mail:

   ```sh
   export API='https://loupe.example.com'
   curl --fail-with-body "$API/api/auth/register" \\
     --data-urlencode name='Your Name' --data-urlencode email='you@example.com' \\
     --data-urlencode password='A-good-one-1' --data-urlencode password_confirmation='A-good-one-1'
   export TOKEN='…'   # "token" in the answer
   ```

2. Get a plan that includes the API. A new account has the first plan. If that lacks the API, an upload is 403
   `no_api_access`, and the operator has to run `loupe-admin plan set you@example.com professional`.

3. Upload an image. The answer comes at once:

   ```sh
   curl --fail-with-body "$API/api/images/upscale" -H "Authorization: Bearer $TOKEN" \\
     -F image=@photo.jpg -F scale_factor=2
   ID='…'             # "id" in the answer
   ```

4. Poll until `status` is `completed`; with `wait` the answer comes when it has ended. If it is `failed`,
   `error` says why. Then download the result by its link, which needs no token:

   ```sh
   curl --fail-with-body "$API/api/images/$ID?wait=60" -H "Authorization: Bearer $TOKEN"
   LINK='…'           # "download_url" in the answer
   curl --fail --output upscaled.jpg "$LINK"
   ```

## Answers

Every answer is JSON with `success` and `message`, and with `data` if there is something to return. A refusal
has `success: false`, a `code` for programs that never changes, and a `request_id` by which operators find the
request. If fields are invalid, `errors` says for each of them what is wrong. Fields without effect, such as
unknown ones, are accepted and named in `warnings`.

A path that does not exist is 404 `not_found`. A method that a path does not have is 405 `method_not_allowed`,
with `Allow`. Request headers that are malformed, too slow or too long are 400, 408, 414 or 431. HEAD works
wherever GET works.

## Limits

Your plan limits the requests in an hour. `RateLimit-Policy` and `RateLimit` on every answer say how many are
left. Polls of an image or batch are counted separately. Your plan also limits the images in a month:
`X-RateLimit-Limit` and `X-RateLimit-Remaining` are on every answer about images and batches.
"""
TAGS = {
    "auth": "Register, log in and log out. Send a token as `Authorization: Bearer …`.",
    "images": "Upload an image, poll until its `status` is `completed` or `failed`, download the result.",
    "batches": (
        f"Up to {MOST_BATCH_IMAGES} images in one request. Each is processed separately. "
        "Needs a plan with `batch_processing`."
    ),
    "events": "Events about your images and batches, as they happen.",
    "webhooks": "Addresses of yours that get events, signed, and the log of what was sent.",
    "account": "Your profile, your tokens, and what is left of your plan this month.",
    "models": "The models that upscale images in this installation.",
    "plans": "The plans of this installation.",
}
