"""Describes each object of an answer, by its name. `answer_fields` describes their fields."""

from typing import Any

from gateway.openapi import webhook_texts

Json = dict[str, Any]
OBJECTS: Json = {
    "AcceptedBatch": "A batch that was just accepted.",
    "AcceptedBatchImage": "An image of a batch that was just accepted.",
    "AcceptedImage": "An image that was just accepted.",
    "Batch": "Several images that were uploaded in one request.",
    "BatchImage": "An image of a batch, with its state and its result.",
    "DirectUpload": "Where and how to store a file that you are going to upscale.",
    "Download": "A link to the result of an image.",
    "EarlierFailure": "Why an image had no result before it was retried.",
    "Estimate": "What an upload would become.",
    "EstimatedQuota": "The quota of this month.",
    "EstimatedRefusal": "A refusal that the upload would get.",
    "EstimatedResult": "The result that the upload would have.",
    "EstimatedSeconds": "How long the upload would take, from now until its result.",
    "Failure": "Why an image has no result.",
    "Image": "An uploaded image, with its state and its result.",
    "ImageWarning": "Something that the result lacks of the original.",
    "ImageUploads": "How many images you have uploaded this month, and how many are left.",
    "Limit": "One limit of a plan.",
    "Links": "The addresses of other pages of the list.",
    "Message": "The answer of an operation that returns no data.",
    "Meta": "Where this page is in the list.",
    "Model": "The model that was requested, and the model that was used.",
    "NewToken": "A new token and its text, which is shown only this once.",
    "OfferedPlan": "A plan of this installation.",
    "Plan": "The plan that you are on.",
    "PricingPlan": "The plan that a user is on, by name.",
    "ServedModel": "A model of this installation.",
    "NewSecondFactor": "The secret of a second factor that is not switched on yet.",
    "RecoveryCodes": "Codes that each replace one code of the second factor.",
    "RestoredAddress": "The address that counts again, and what sets a new password.",
    "Session": "A user, and a new token of this user.",
    "Subscription": "Your subscription to a plan.",
    "SubscriptionAndPlan": "Your subscription, and the plan that you are on.",
    "Token": "An API token, without its text.",
    "Tokens": "All of your API tokens.",
    "UsageEntry": "The images of a day or of a month.",
    "UsageHistory": "Your images by day or by month.",
    "Usage": "Your plan, and how much of it is used this month.",
    "User": "A person with an account.",
    **webhook_texts.OBJECTS,
}
