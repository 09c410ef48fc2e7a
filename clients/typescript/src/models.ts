// Generated from the OpenAPI document by `make client`. Do not edit.

/** One thing that a token allows. */
export type Ability =
  | "images:read"
  | "images:write"
  | "images:delete"
  | "user:read"
  | (string & {});

/** A batch that was just accepted. */
export interface AcceptedBatch {
  /** The id of the batch, for all later requests. */
  id: number;
  /** The label of the batch; null if it has none. */
  name: string | null;
  /** The state of the batch. */
  status: BatchStatus;
  /** The number of images. */
  total_images: number;
  /** The number of images with a result. */
  completed_images: number;
  /** The number of images that failed. */
  failed_images: number;
  /** The requested scale factor; null if an exact size was requested. */
  scale_factor: ScaleFactor | null;
  /** How many images have ended, in percent. */
  progress: number;
  /** The first images of the batch, in the order of the upload: up to 100, or 20 in a list. */
  images: AcceptedBatchImage[];
  /** When this was created. */
  created_at: string;
  /** When this was last changed. */
  updated_at: string;
  /** When the last image ended; null until then. */
  completed_at: string | null;
  /** The requested width in pixels; null if none was requested. */
  target_width: number | null;
  /** The requested height in pixels; null if none was requested. */
  target_height: number | null;
  /** The address that gets the end; null if the upload named none. */
  webhook_url: string | null;
  /** The present stage of the batch. */
  stage: BatchStage;
}

/** An image of a batch that was just accepted. */
export interface AcceptedBatchImage {
  /** The id of the image. */
  id: number;
  /** The id of the image's batch. */
  batch_id: number;
  /** The name of the uploaded file. */
  original_filename: string;
  /** The size of the original in bytes; 0 until its file was fetched. */
  original_size: number;
  /** The size of the original, for a person. */
  original_size_human: string;
  /** Always null here. Get the batch for sizes. */
  original_dimensions: string | null;
  /** The state of the image. */
  status: ImageStatus;
  /** The requested scale factor; null if an exact size was requested. */
  scale_factor: ScaleFactor | null;
  /** The requested width in pixels; null if none was requested. */
  target_width: number | null;
  /** The requested height in pixels; null if none was requested. */
  target_height: number | null;
  /** True if the image was uploaded with this API. */
  api_request: boolean;
  /** When this was created. */
  created_at: string;
  /** When this was last changed. */
  updated_at: string;
  /** 1 for the image that starts next; null once it has started. */
  queue_position: number | null;
  /** Seconds until the result; null after the end, or while nothing is known yet. */
  estimated_seconds: number | null;
  /** Parts of the original that the result lacks, such as pages. */
  warnings: ImageWarning[];
  /** Your own name for the item of a manifest; null if it has none. */
  reference: string | null;
}

/** An image that was just accepted. */
export interface AcceptedImage {
  /** The id of the image, for all later requests. */
  id: number;
  /** The name of the uploaded file. */
  original_filename: string;
  /** The size of the original in bytes; 0 until its file was fetched. */
  original_size: number;
  /** The size of the original, for a person. */
  original_size_human: string;
  /** Always null here. Get the image for its size. */
  original_dimensions: string | null;
  /** The state of the image. */
  status: ImageStatus;
  /** The requested scale factor; null if an exact size was requested. */
  scale_factor: ScaleFactor | null;
  /** The requested width in pixels; null if none was requested. */
  target_width: number | null;
  /** The requested height in pixels; null if none was requested. */
  target_height: number | null;
  /** True if the image was uploaded with this API. */
  api_request: boolean;
  /** When this was created. */
  created_at: string;
  /** When this was last changed. */
  updated_at: string;
  /** 1 for the image that starts next; null once it has started. */
  queue_position: number | null;
  /** Seconds until the result; null after the end, or while nothing is known yet. */
  estimated_seconds: number | null;
  /** Parts of the original that the result lacks, such as pages. */
  warnings: ImageWarning[];
  /** Your own name for the item of a manifest; null if it has none. */
  reference: string | null;
}

/** Who caused it: you, or somebody who claimed to be you; an operator; or Loupe itself. */
export type AuditActor = "user" | "operator" | "system" | (string & {});

/** Something that happened to your account. */
export interface AuditEntry {
  /** The id of the entry. */
  id: string;
  /** The name of the event. Names never change their meaning. */
  event: AuditEvent;
  /** The event, for a person. */
  description: string;
  /** Who caused it. */
  actor: AuditActor;
  /** The network address of the client, of IPv6 the network; null if it is not known. */
  client_address: string | null;
  /** The client's `User-Agent`; null if it sent none. */
  user_agent: string | null;
  /** The `X-Request-Id` of the request; null if there was none. */
  request_id: string | null;
  /** Ids and values that belong to the event, by name. */
  details: Record<string, string>;
  /** When it happened. */
  occurred_at: string;
}

/** The name of an event. */
export type AuditEvent =
  | "account.blocked"
  | "account.created"
  | "account.deleted"
  | "account.reauthentication_refused"
  | "account.unblocked"
  | "address.change_requested"
  | "address.changed"
  | "address.restored"
  | "address.verified"
  | "batch.cancelled"
  | "batch.deleted"
  | "dead_letter.redriven"
  | "first_run.code_made"
  | "first_run.refused"
  | "image.deleted"
  | "mail.limited"
  | "operator.appointed"
  | "operator.dismissed"
  | "password.change_refused"
  | "password.changed"
  | "password.reset"
  | "password.reset_requested"
  | "plan.changed"
  | "quota.changed"
  | "second_factor.disabled"
  | "second_factor.enabled"
  | "second_factor.recovery_code_used"
  | "second_factor.recovery_codes_replaced"
  | "second_factor.refused"
  | "sign_in.admitted"
  | "sign_in.blocked"
  | "sign_in.delayed"
  | "sign_in.refused"
  | "sign_in.unverified"
  | "signing_key.rotated"
  | "token.created"
  | "token.evicted"
  | "token.revoked"
  | "webhook.changed"
  | "webhook.created"
  | "webhook.deleted"
  | "webhook.disabled"
  | "webhook.secret_rotated"
  | (string & {});

/** Several images that were uploaded in one request. */
export interface Batch {
  /** The id of the batch. */
  id: number;
  /** The label of the batch; null if it has none. */
  name: string | null;
  /** The state of the batch. */
  status: BatchStatus;
  /** The number of images. */
  total_images: number;
  /** The number of images with a result. */
  completed_images: number;
  /** The number of images that failed. */
  failed_images: number;
  /** The requested scale factor; null if an exact size was requested. */
  scale_factor: ScaleFactor | null;
  /** How many images have ended, in percent. */
  progress: number;
  /** The first images of the batch, in the order of the upload: up to 100, or 20 in a list. */
  images: BatchImage[];
  /** When this was created. */
  created_at: string;
  /** When this was last changed. */
  updated_at: string;
  /** When the last image ended; null until then. */
  completed_at: string | null;
  /** The requested width in pixels; null if none was requested. */
  target_width: number | null;
  /** The requested height in pixels; null if none was requested. */
  target_height: number | null;
  /** The address that gets the end; null if the upload named none. */
  webhook_url: string | null;
  /** The present stage of the batch. */
  stage: BatchStage;
}

/** An image of a batch, with its state and its result. */
export interface BatchImage {
  /** The id of the image. */
  id: number;
  /** The id of the image's batch. */
  batch_id: number;
  /** The name of the uploaded file. */
  original_filename: string;
  /** The key of the original in the object store; empty until its file was fetched. */
  original_path: string;
  /** The key of the result in the object store; null without a result. */
  upscaled_path: string | null;
  /** The size of the original in bytes; 0 until its file was fetched. */
  original_size: number;
  /** The size of the result in bytes; null without a result. */
  upscaled_size: number | null;
  /** The size of the original, for a person. */
  original_size_human: string;
  /** The size of the result, for a person; null without a result. */
  upscaled_size_human: string | null;
  /** Width and height of the original in pixels. */
  original_dimensions: string | null;
  /** Width and height of the result in pixels; null without a result. */
  upscaled_dimensions: string | null;
  /** The size of the original, for a person. */
  original_dimensions_formatted: string | null;
  /** The size of the result, for a person; null without a result. */
  upscaled_dimensions_formatted: string | null;
  /** The state of the image. */
  status: ImageStatus;
  /** The requested scale factor; null if an exact size was requested. */
  scale_factor: ScaleFactor | null;
  /** The requested width in pixels; null if none was requested. */
  target_width: number | null;
  /** The requested height in pixels; null if none was requested. */
  target_height: number | null;
  /** How long the work took, in seconds; null until it has ended. */
  processing_time: number | null;
  /** True if the image was uploaded with this API. */
  api_request: boolean;
  /** A link to the result, which needs no token. It is new in each answer; null without a result. */
  download_url: string | null;
  /** When this was created. */
  created_at: string;
  /** When this was last changed. */
  updated_at: string;
  /** How long the image waited, in seconds; null until it has started. */
  queue_time: number | null;
  /** Until when `download_url` works; null without a result. */
  download_expires_at: string | null;
  /** Why there is no result; null unless `status` is `failed`. */
  error: Failure | null;
  /** The model that was requested, and the model that was used. */
  model: Model;
  /** How much of the work is done, in percent. */
  progress: number;
  /** 1 for the image that starts next; null once it has started. */
  queue_position: number | null;
  /** Seconds until the result; null after the end, or while nothing is known yet. */
  estimated_seconds: number | null;
  /** Parts of the original that the result lacks, such as pages. */
  warnings: ImageWarning[];
  /** The errors before each retry, oldest first, at most 20. */
  earlier_errors: EarlierFailure[];
  /**
   * A link that shows the original. It needs no token, and works for an hour. It is new in each
   * answer.
   */
  original_url: string | null;
  /** Small pictures for lists. Null until completed, and if there are none. */
  previews: Previews | null;
  /** The address that gets the end; null if the upload named none. */
  webhook_url: string | null;
  /** When the image is deleted by itself; null before its end, and if it is kept. */
  expires_at: string | null;
  /** Your own name for the item of a manifest; null if it has none. */
  reference: string | null;
}

/**
 * The stage of a batch: its files are fetched, it waits for a worker, it is worked on, or it has
 * ended.
 */
export type BatchStage = "fetching" | "queued" | "working" | "done" | (string & {});

/** The state of a batch. `partially_failed`: all images have ended, some without a result. */
export type BatchStatus =
  | "pending"
  | "processing"
  | "completed"
  | "partially_failed"
  | "failed"
  | "cancelled"
  | (string & {});

/** One event for one address, and how the last attempt ended. */
export interface Delivery {
  /** The id of the delivery. */
  id: number;
  /** The id of the webhook; null if an upload named the address as `webhook_url`. */
  webhook_id: number | null;
  /** The header `webhook-id`, the same for each attempt. */
  event_id: string;
  /** The type of the event. */
  type: WebhookEventType;
  /** The state of the delivery. */
  status: DeliveryStatus;
  /** How often it was attempted since it was added or replayed. */
  attempts: number;
  /** When the next attempt is due; null if there is none. */
  next_attempt_at: string | null;
  /** When the last attempt ended; null before the first. */
  last_attempt_at: string | null;
  /** The status of the last answer; null without an answer. */
  status_code: number | null;
  /** How long the last attempt took; null before the first. */
  milliseconds: number | null;
  /** The first 2 KB of the last answer; null before the first attempt. */
  answer: string | null;
  /** Why the last attempt got no answer, for programs, such as `too_slow`; else null. */
  error: string | null;
  /** The id of the image that the event is about; else null. */
  image_id: number | null;
  /** The id of the batch that it is about, or of the image's batch. */
  batch_id: number | null;
  /** When this was created. */
  created_at: string;
}

/** The state of a delivery: not delivered yet, delivered, or no attempt left. */
export type DeliveryStatus = "waiting" | "delivered" | "failed" | (string & {});

/** The request that stores a file which you are going to upscale. */
export interface DirectUpload {
  /** Send it as `upload_id`. */
  id: string;
  /** The address for the file. */
  url: string;
  /** The method for the file. */
  method: string;
  /** The headers for the file. */
  headers: Record<string, string>;
  /** The end of the address. */
  link_expires_at: string;
  /** The end of the upload. */
  expires_at: string;
}

/** A link to the result of an image. */
export interface Download {
  /** The link. It needs no token. */
  download_url: string;
  /** The name that the link gives to the file. */
  filename: string;
  /** Until when the link works. */
  expires_at: string;
}

/** A failure after which the image was retried. */
export interface EarlierFailure {
  /** The reason, for programs. */
  code: string;
  /** The reason, for a person. */
  message: string;
  /** True if another try may succeed; see `retryImage`. */
  retryable: boolean;
  /** How often it was attempted since it was added or replayed. */
  attempts: number;
  /** When the image had failed. */
  failed_at: string;
}

/**
 * The reason of a refusal, for programs. A code never changes its meaning; new versions may add codes.
 * - `account_blocked`: This account is blocked. Ask the operator of this installation. -
 * `batch_not_found`: Batch not found. - `batch_unfinished`: The batch has not ended. -
 * `body_too_large`: The request body may not be greater than 11 MiB. - `broker_unavailable`: Service
 * temporarily unavailable. - `database_unavailable`: Service temporarily unavailable. -
 * `deadline_exceeded`: The service took too long to answer. - `delivery_not_found`: Delivery not
 * found. - `email_unverified`: Your email address is not verified. - `first_run_refused`: The code is
 * wrong, too old or used, or this installation has an operator. - `foreign_page`: Only the console of
 * this server may send this request. - `headers_too_large`: The request headers are too large. -
 * `https_required`: Browsers keep you signed in only at an address with https, or on the machine that
 * runs this server. - `idempotency_key_in_use`: The first request with this Idempotency-Key is not
 * finished yet. - `idempotency_key_invalid`: The Idempotency-Key header must have 1 to 255 visible
 * ASCII characters, and may be sent only once. - `idempotency_key_reused`: Validation failed -
 * `image_failed`: Image processing failed - `image_not_found`: Image not found. - `image_processing`:
 * Image is still processing - `internal_error`: Something went wrong on our end. Try again later. -
 * `invalid_credentials`: Invalid credentials - `invalid_signature`: This link is invalid or has
 * expired. - `malformed_body`: The request body is malformed. - `malformed_request`: The request is
 * malformed. - `method_not_allowed`: Method not allowed. - `missing_ability`: The token lacks the
 * ability images:write. - `no_api_access`: Your plan does not include API access. - `not_found`: Not
 * found. - `not_retryable`: The image would fail again: The file is damaged. - `nothing_to_retry`:
 * There is no failed image to retry. - `object_store_unavailable`: Service temporarily unavailable. -
 * `operator_second_factor_required`: Operators of this installation need a second factor. Switch it
 * on, then try again. - `original_missing`: The original is no longer stored. Upload the file again. -
 * `plan_feature_missing`: Your plan does not include batch processing. - `pyramid_not_found`: There is
 * no pyramid of this picture. - `quota_exceeded`: You have exceeded your monthly image quota. -
 * `range_not_supported`: An archive is made while it is read. Request it without a Range. -
 * `reauthentication_required`: Please log in again, or send your current password. -
 * `request_timeout`: The request body did not arrive in time. - `second_factor_enabled`: The second
 * factor is already switched on. - `second_factor_missing`: There is no second factor to use. -
 * `second_factor_required`: This account needs the code of its second factor. - `service_unavailable`:
 * Service temporarily unavailable. - `subscription_expired`: Your subscription has expired. -
 * `target_too_long`: The request target is too long. - `token_not_found`: Token not found. -
 * `too_many_archives`: Too many requests. - `too_many_event_streams`: Too many requests. -
 * `too_many_refused_items`: Too many requests. - `too_many_requests`: Too many requests. -
 * `too_many_undecodable`: Too many requests. - `too_many_unused_uploads`: Too many requests. -
 * `too_many_uploads`: Service temporarily unavailable. - `too_many_waits`: Too many requests. -
 * `unauthenticated`: Unauthenticated. - `unsupported_encoding`: The request body may not have the
 * Content-Encoding gzip: send it as it is. - `uploads_full`: Service temporarily unavailable. -
 * `user_not_found`: no user 1 - `validation_failed`: Validation failed - `webhook_disabled`: The
 * webhook is disabled. Enable it first. - `webhook_not_found`: Webhook not found.
 */
export type ErrorCode =
  | "account_blocked"
  | "batch_not_found"
  | "batch_unfinished"
  | "body_too_large"
  | "broker_unavailable"
  | "database_unavailable"
  | "deadline_exceeded"
  | "delivery_not_found"
  | "email_unverified"
  | "first_run_refused"
  | "foreign_page"
  | "headers_too_large"
  | "https_required"
  | "idempotency_key_in_use"
  | "idempotency_key_invalid"
  | "idempotency_key_reused"
  | "image_failed"
  | "image_not_found"
  | "image_processing"
  | "internal_error"
  | "invalid_credentials"
  | "invalid_signature"
  | "malformed_body"
  | "malformed_request"
  | "method_not_allowed"
  | "missing_ability"
  | "no_api_access"
  | "not_found"
  | "not_retryable"
  | "nothing_to_retry"
  | "object_store_unavailable"
  | "operator_second_factor_required"
  | "original_missing"
  | "plan_feature_missing"
  | "pyramid_not_found"
  | "quota_exceeded"
  | "range_not_supported"
  | "reauthentication_required"
  | "request_timeout"
  | "second_factor_enabled"
  | "second_factor_missing"
  | "second_factor_required"
  | "service_unavailable"
  | "subscription_expired"
  | "target_too_long"
  | "token_not_found"
  | "too_many_archives"
  | "too_many_event_streams"
  | "too_many_refused_items"
  | "too_many_requests"
  | "too_many_undecodable"
  | "too_many_unused_uploads"
  | "too_many_uploads"
  | "too_many_waits"
  | "unauthenticated"
  | "unsupported_encoding"
  | "uploads_full"
  | "user_not_found"
  | "validation_failed"
  | "webhook_disabled"
  | "webhook_not_found"
  | (string & {});

/** The result that an upload would have, and what it would take. */
export interface Estimate {
  /** True if the upload would be accepted. */
  accepted: boolean;
  /** The refusals that the upload would get. Empty if it would be accepted. */
  refusals: EstimatedRefusal[];
  /** The result; null if none is possible. */
  result: EstimatedResult | null;
  /** The requested model; null if no result is possible. */
  model: string | null;
  /** The quota of this month. */
  quota: EstimatedQuota;
  /** How long it takes; null while nothing is known yet. */
  seconds: EstimatedSeconds | null;
}

/** The quota of this month. */
export interface EstimatedQuota {
  /** How many images count now. */
  used: number;
  /** The monthly quota; null if there is none. */
  limit: number | null;
  /** How many images are left after this one; null if there is no quota. */
  remaining_after: number | null;
}

/** A refusal that the upload would get. */
export interface EstimatedRefusal {
  /** The reason, for programs, as `code` of an error. */
  code: string;
  /** The reason, for a person. */
  message: string;
  /** The invalid fields, and what is wrong with each; null if no field is at fault. */
  errors: Record<string, string[]> | null;
}

/** The result that the upload would have. */
export interface EstimatedResult {
  /** Width in pixels. */
  width: number;
  /** Height in pixels. */
  height: number;
  /** The format of the result. */
  format: string;
}

/** The seconds from now until the result of the upload. */
export interface EstimatedSeconds {
  /** The lower end of the range for most images, in seconds. */
  low: number;
  /** The most likely time, in seconds. */
  likely: number;
  /** The upper end of the range for most images, in seconds. */
  high: number;
}

/** The data of an event of `GET /api/events`. */
export interface Event {
  /** The type of the event. */
  type: EventType;
  /** When it happened. */
  timestamp: string;
  /**
   * The image or batch as GET answers it when the event is sent; a batch without its images. After a
   * deletion only `id` and `deleted`. Null in `reset`.
   */
  data: Record<string, unknown> | null;
}

/**
 * The type of an event. `reset`: something was missed, so read your lists again. A cancelled image is
 * `image.failed` with the code `cancelled`. The end of a batch comes after those of its images.
 */
export type EventType =
  | "image.accepted"
  | "image.processing"
  | "image.completed"
  | "image.failed"
  | "image.expired"
  | "image.deleted"
  | "batch.accepted"
  | "batch.completed"
  | "batch.partially_failed"
  | "batch.failed"
  | "batch.cancelled"
  | "image.progress"
  | "batch.progress"
  | "webhook.disabled"
  | "reset"
  | (string & {});

/** The reason why an image has no result. */
export interface Failure {
  /**
   * The reason, for programs: `undecodable`, `attempts_exhausted`, `model_unavailable`, `cancelled`,
   * `object_lost`, `fetch_failed`, `item_refused`, or one that a later version adds.
   */
  code: string;
  /** The reason, for a person. */
  message: string;
  /** True if another try may succeed; see `retryImage`. */
  retryable: boolean;
}

/** An uploaded image, with its state and its result. */
export interface Image {
  /** The id of the image. */
  id: number;
  /** The name of the uploaded file. */
  original_filename: string;
  /** The key of the original in the object store; empty until its file was fetched. */
  original_path: string;
  /** The key of the result in the object store; null without a result. */
  upscaled_path: string | null;
  /** The size of the original in bytes; 0 until its file was fetched. */
  original_size: number;
  /** The size of the result in bytes; null without a result. */
  upscaled_size: number | null;
  /** The size of the original, for a person. */
  original_size_human: string;
  /** The size of the result, for a person; null without a result. */
  upscaled_size_human: string | null;
  /** Width and height of the original in pixels. */
  original_dimensions: string | null;
  /** Width and height of the result in pixels; null without a result. */
  upscaled_dimensions: string | null;
  /** The size of the original, for a person. */
  original_dimensions_formatted: string | null;
  /** The size of the result, for a person; null without a result. */
  upscaled_dimensions_formatted: string | null;
  /** The state of the image. */
  status: ImageStatus;
  /** The requested scale factor; null if an exact size was requested. */
  scale_factor: ScaleFactor | null;
  /** The requested width in pixels; null if none was requested. */
  target_width: number | null;
  /** The requested height in pixels; null if none was requested. */
  target_height: number | null;
  /** How long the work took, in seconds; null until it has ended. */
  processing_time: number | null;
  /** True if the image was uploaded with this API. */
  api_request: boolean;
  /** A link to the result, which needs no token. It is new in each answer; null without a result. */
  download_url: string | null;
  /** When this was created. */
  created_at: string;
  /** When this was last changed. */
  updated_at: string;
  /** How long the image waited, in seconds; null until it has started. */
  queue_time: number | null;
  /** Until when `download_url` works; null without a result. */
  download_expires_at: string | null;
  /** Why there is no result; null unless `status` is `failed`. */
  error: Failure | null;
  /** The model that was requested, and the model that was used. */
  model: Model;
  /** How much of the work is done, in percent. */
  progress: number;
  /** 1 for the image that starts next; null once it has started. */
  queue_position: number | null;
  /** Seconds until the result; null after the end, or while nothing is known yet. */
  estimated_seconds: number | null;
  /** Parts of the original that the result lacks, such as pages. */
  warnings: ImageWarning[];
  /** The errors before each retry, oldest first, at most 20. */
  earlier_errors: EarlierFailure[];
  /**
   * A link that shows the original. It needs no token, and works for an hour. It is new in each
   * answer.
   */
  original_url: string | null;
  /** Small pictures for lists. Null until completed, and if there are none. */
  previews: Previews | null;
  /** The address that gets the end; null if the upload named none. */
  webhook_url: string | null;
  /** When the image is deleted by itself; null before its end, and if it is kept. */
  expires_at: string | null;
  /** Your own name for the item of a manifest; null if it has none. */
  reference: string | null;
  /** The id of the image's batch; null if it is in none. */
  batch_id: number | null;
}

/** The state of an image: waiting, under way, done, or ended without a result. */
export type ImageStatus = "pending" | "processing" | "completed" | "failed" | (string & {});

/** The images that you have uploaded this month, and those that are left. */
export interface ImageUploads {
  /** How many images count against the quota. */
  used: number;
  /** The monthly quota; null if there is none. */
  limit: number | null;
  /** How many images are left; null if there is no quota. */
  remaining: number | null;
  /** True if there is no quota. */
  unlimited: boolean;
  /** True if no image is left. */
  exceeded: boolean;
  /** How much of the quota is used, in percent; 0 if there is none. */
  percentage: number;
  /** When this month began, in UTC. */
  period_start: string;
  /** When the next month begins, in UTC. */
  resets_at: string;
}

/** Something that the result lacks of the original. */
export interface ImageWarning {
  /** The field of the upload that it is about. */
  field: string;
  /** The part that is missing, and why, for a person. */
  message: string;
}

/** The picture at one size. */
export interface Level {
  /** The width of the picture at this level, in pixels. */
  width: number;
  /** The height of the picture at this level, in pixels. */
  height: number;
  /** The number of tiles side by side. */
  columns: number;
  /** The number of rows of tiles. */
  rows: number;
  /** The tiles, row by row. */
  tiles: Tile[];
}

/** One limit of a plan. */
export interface Limit {
  /** The name of the limit. */
  key: string;
  /** The limit; null if there is none. */
  value: number | null;
  /** The unit of the limit. */
  unit: string;
}

/** The model that was requested, and the model that was used. */
export interface Model {
  /** The model that was requested. */
  asked: string;
  /** The model that makes the result; null until it is known. */
  used: string | null;
  /** Why `auto` chose this model, for programs; null if it did not choose. */
  reason: string | null;
  /** Why `auto` chose this model, for a person; null if it did not choose. */
  message: string | null;
  /** The level of denoising that was used, 0 to 3; null from models without levels. */
  denoise: number | null;
  /**
   * The lowest precision that a network computed in: `bf16`, `f16` or `f32`. Null until it is known,
   * and if no network was needed.
   */
  precision: string | null;
  /**
   * How much of `enhance` the result has, 0 to 1; the rest is `faithful`. Null from other models, and
   * until it is known.
   */
  strength: number | null;
}

/** The secret of a second factor that is not switched on yet. */
export interface NewSecondFactor {
  /** The secret in base32. */
  secret: string;
  /** The secret as an address that apps read from a QR code. */
  uri: string;
}

/** A new token and its text, which is shown only this once. */
export interface NewToken {
  /** The token, as in the list. */
  token: Token;
  /** The text of the token. It is shown only this once. */
  plain_text: string;
}

/** A new webhook and its secret, which is shown only this once. */
export interface NewWebhook {
  /** The webhook, as in the list. */
  webhook: Webhook;
  /** The secret: `whsec_` and base64. */
  secret: string;
}

/** A plan of this installation. */
export interface OfferedPlan {
  /** The id of the plan. */
  id: number;
  /** The name of the plan. */
  name: string;
  /** The name of the plan, for programs. */
  slug: string;
  /** The price of a month; null if it is by agreement. */
  price: number | null;
  /** The features of the plan. */
  features: string[];
  /** The limits of the plan. */
  limits: Limit[];
  /** How many times longer a side of a result may be. */
  max_scale: number;
}

/** The plan that you are on. */
export interface Plan {
  /** The name of the plan. */
  name: string;
  /** The name of the plan, for programs. */
  slug: string;
  /** The price of a month; null if it is by agreement. */
  price: number | null;
  /** The features of the plan. */
  features: string[];
  /** The limits of the plan. */
  limits: Limit[];
}

/** Small pictures of an image, for lists. */
export interface Previews {
  /** A link to the original as a WebP of at most 512 pixels a side. It works as long as `download_url`. */
  original_url: string | null;
  /** The same of the result. */
  result_url: string | null;
  /** The pictures that `getPyramid` has. */
  pyramids: Side[];
}

/** The plan that a user is on, by name. */
export interface PricingPlan {
  /** The id of the plan. */
  id: number;
  /** The name of the plan. */
  name: string;
  /** The name of the plan, for programs. */
  slug: string;
}

/** A picture in tiles. */
export interface Pyramid {
  /** A link to the file with all tiles. */
  url: string;
  /** Until when the link works. */
  expires_at: string;
  /** The side of a tile in pixels. Those at the end may be smaller. */
  tile_size: number;
  /** Full size first. Each level halves the one before, and the last is one tile. */
  levels: Level[];
}

/** Codes that each replace one code of the second factor. */
export interface RecoveryCodes {
  /** The codes. They are shown only this once. */
  recovery_codes: string[];
}

/** The address that counts again, and what sets a new password. */
export interface RestoredAddress {
  /** The mail address of the user. */
  email: string;
  /** The `token` with which `resetPassword` sets a new password. */
  reset_token: string;
}

/** How many times longer each side of the result is. */
export type ScaleFactor = 2 | 3 | 4 | (number & {});

/** A model of this installation. */
export interface ServedModel {
  /** The name, as `model` of an upload. */
  name: string;
  /** The effect of the model. */
  description: string;
  /** The pictures that the model suits best. */
  best_for: string;
  /** True for the model that is used if an upload names none. */
  is_default: boolean;
  /** The scale factors. */
  scales: ScaleFactor[];
  /** The neural network; null for `auto`. */
  network: string | null;
  /** The origin of the network; null for `auto`. */
  source: string | null;
  /** The licence of the weights; null for `auto`. */
  licence: string | null;
  /** The name for people of a model that this installation has added; null for Loupe's own models. */
  title: string | null;
  /** Whether the licence of the weights allows commercial use; null if no worker has said so. */
  commercial_use: boolean | null;
}

/** A user, and a new token of this user. */
export interface Session {
  /** The user whose token this is. */
  user: User;
  /** The text of the token. Send it as `Authorization: Bearer …`. */
  token: string;
  /** How the token is sent. */
  token_type: string;
}

/** A picture of an image: the uploaded one, or its result. */
export type Side = "original" | "result" | (string & {});

/** A secret that signs deliveries. */
export interface SigningSecret {
  /** The secret: `whsec_` and base64. */
  secret: string;
  /** Until when the secret before this one signs too; null if there is none. */
  previous_secret_expires_at: string | null;
}

/** Your subscription to a plan. */
export interface Subscription {
  /** The id of the subscription. */
  id: number;
  /** Always `default`. */
  type: string;
  /** The state of the subscription. */
  status: SubscriptionStatus;
  /** How many times the plan is subscribed to. */
  quantity: number;
  /** When the trial ends; null if there is none. */
  trial_ends_at: string | null;
  /** When a cancelled subscription ends; null if it is not cancelled. */
  ends_at: string | null;
  /** When this was created. */
  created_at: string;
  /** True if the subscription is valid now. */
  is_active: boolean;
  /** True during the trial. */
  is_on_trial: boolean;
  /** True if the subscription was cancelled. */
  is_cancelled: boolean;
  /** True if it was cancelled, and is valid until `ends_at`. */
  is_on_grace_period: boolean;
}

/** Your subscription, and the plan that you are on. */
export interface SubscriptionAndPlan {
  /** Your subscription; null if you never had one. */
  subscription: Subscription | null;
  /** The plan that you are on. */
  plan: Plan;
}

/** The state of a subscription. */
export type SubscriptionStatus = "active" | "trialing" | "canceled" | "past_due" | (string & {});

/** A part of a picture, as a WebP in a larger file. */
export interface Tile {
  /** The offset of the tile in the file, in bytes. */
  offset: number;
  /** The length of the tile. */
  bytes: number;
}

/** An API token, without its text. */
export interface Token {
  /** The id of the token. */
  id: number;
  /** The label of the token. */
  name: string;
  /** The abilities of the token. */
  abilities: Ability[];
  /** When the token was last used, to the minute; null if never. */
  last_used_at: string | null;
  /** When this was created. */
  created_at: string;
  /** When the token expires; null if never. */
  expires_at: string | null;
}

/** All of your API tokens. */
export interface Tokens {
  /** The tokens. */
  tokens: Token[];
  /** The number of tokens. */
  count: number;
}

/** Your plan, and how much of it is used this month. */
export interface Usage {
  /** The name of the plan, for programs. */
  plan: string;
  /** The images of this month. */
  image_uploads: ImageUploads;
  /** The features of the plan. */
  features: string[];
}

/** The images of a day or of a month. */
export interface UsageEntry {
  /** The day, or the first day of the month, in UTC. */
  start: string;
  /** How many images were accepted. */
  accepted: number;
  /** How many images were completed. */
  completed: number;
  /** How many images gave their place back: they failed or were cancelled. */
  returned: number;
  /** How much the month's count changed: `accepted` minus `returned`. */
  used: number;
}

/** Your images by day or by month. */
export interface UsageHistory {
  /** The time that each entry sums up. */
  by: UsageStep;
  /** One for each day or month, oldest first, also for those without images. */
  entries: UsageEntry[];
}

/** The time that each entry sums up. */
export type UsageStep = "day" | "month" | (string & {});

/** A person with an account. */
export interface User {
  /** The id of the user. */
  id: number;
  /** The name of the user. */
  name: string;
  /** The mail address of the user. */
  email: string;
  /** When the address was verified; null if it is not. */
  email_verified_at: string | null;
  /** A picture of the initials. */
  profile_photo_url: string;
  /** When this was created. */
  created_at: string;
  /** When this was last changed. */
  updated_at: string;
  /** The plan that the user is on. */
  pricing_plan: PricingPlan;
  /** The address that replaces `email` once it is verified; null if none. */
  pending_email: string | null;
  /** True if logging in needs a code of a second factor. */
  second_factor: boolean;
}

/** An address of yours that gets events. */
export interface Webhook {
  /** The id of the webhook. */
  id: number;
  /** The address. */
  url: string;
  /** The types of events that it gets. Empty means all. */
  types: WebhookEventType[];
  /** A label for people. */
  description: string;
  /** Whether it gets events. */
  is_enabled: boolean;
  /** Why Loupe disabled it: `gone` (it answered 410) or `failing` (five days of failures); else null. */
  disabled_reason: string | null;
  /** When the first failure since the last success was; null if none. */
  failing_since: string | null;
  /** Until when the secret before this one signs too; null if there is none. */
  previous_secret_expires_at: string | null;
  /** When this was created. */
  created_at: string;
  /** When this was last changed. */
  updated_at: string;
}

/** The type of an event. */
export type WebhookEventType =
  | "image.accepted"
  | "image.completed"
  | "image.failed"
  | "image.expired"
  | "image.deleted"
  | "batch.accepted"
  | "batch.completed"
  | "batch.partially_failed"
  | "batch.failed"
  | "batch.cancelled"
  | "webhook.test"
  | "webhook.disabled"
  | (string & {});

/** All of your webhooks. */
export interface Webhooks {
  /** The webhooks, newest first. */
  webhooks: Webhook[];
  /** The number of tokens. */
  count: number;
}
