/**
 * Everything that can go wrong, as classes.
 *
 * A refusal of the API is an `ApiError`. Its class follows from `code`. For a code that this release does not
 * know it follows from the HTTP status.
 */
import type { ErrorCode } from "./models.js";

/** Anything that this package throws on purpose. */
export class LoupeError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** No server was given or found. */
export class NotConfigured extends LoupeError {}

/** The request cannot be sent as it is: a file is missing, or an option is unknown. */
export class InvalidInput extends LoupeError {}

/** The server, or the store of the results, did not answer, also after all retries. */
export class ConnectionFailed extends LoupeError {}

/** The answer is not one of Loupe's. Another server may listen at this address. */
export class UnexpectedAnswer extends LoupeError {}

/** The image or the batch had not ended in time. It goes on; wait again, or fetch it later. */
export class WaitTimedOut extends LoupeError {}

/** The object store refused a direct upload. */
export class UploadRefused extends LoupeError {}

/** The signature, the time or the form of a webhook is wrong: do not trust its body. */
export class WebhookInvalid extends LoupeError {}

/** The result could not be downloaded in full. Nothing is left at its path. */
export class DownloadFailed extends LoupeError {
  /** `isTemporary` says whether another attempt may succeed. `status` is that of the store, or 0. */
  constructor(
    message: string,
    readonly isTemporary = false,
    readonly status = 0,
  ) {
    super(message);
  }
}

/** An image ended without a result. It does not count against the quota. */
export class ImageFailed extends LoupeError {
  constructor(
    message: string,
    readonly imageId: number,
    readonly code: string,
    readonly retryable: boolean,
  ) {
    super(message);
  }
}

/** The parts of a refusal. */
export interface Refusal {
  status: number;
  code: ErrorCode;
  message: string;
  errors?: Record<string, string[]>;
  requestId?: string;
  retryAfter?: number;
}

/** A refusal of the API. Its message is that of the faulty fields, if there are any. */
export class ApiError extends LoupeError {
  readonly status: number;
  /** The reason, for programs. */
  readonly code: ErrorCode;
  /** The texts for each faulty field. */
  readonly errors: Record<string, string[]>;
  /** Operators find the request in their logs by it. */
  readonly requestId: string;
  /** Seconds after which the server wants the request again; undefined if it names none. */
  readonly retryAfter: number | undefined;

  constructor(refusal: Refusal) {
    super(
      Object.values(refusal.errors ?? {})
        .flat()
        .join(" ") || refusal.message,
    );
    this.status = refusal.status;
    this.code = refusal.code;
    this.errors = refusal.errors ?? {};
    this.requestId = refusal.requestId ?? "";
    this.retryAfter = refusal.retryAfter;
  }
}

/** 400: the request is malformed, or the image has no result yet. */
export class BadRequest extends ApiError {}

/** The image is still being processed. */
export class ImageNotFinished extends BadRequest {}

/** 401: the token is missing, wrong, revoked or expired. */
export class Unauthenticated extends ApiError {}

/** The address or the password is wrong. */
export class InvalidCredentials extends Unauthenticated {}

/** The account needs the code of its second factor. */
export class SecondFactorRequired extends Unauthenticated {}

/** 403: the account or the token may not do this. */
export class PermissionDenied extends ApiError {}

/** The account's address is not verified yet. */
export class EmailUnverified extends PermissionDenied {}

/** The plan does not include this. */
export class PlanInsufficient extends PermissionDenied {}

/** The subscription has ended. Reading, downloading and deleting still work. */
export class SubscriptionExpired extends PermissionDenied {}

/** The images of this month are used up. */
export class QuotaExceeded extends PermissionDenied {}

/** The token lacks an ability. */
export class MissingAbility extends PermissionDenied {}

/** This change needs the password, a code, or a login of the last minutes. */
export class ReauthenticationRequired extends PermissionDenied {}

/** 404: it does not exist, or belongs to another user. */
export class NotFound extends ApiError {}

/** 409: it was changed meanwhile, or exists already. */
export class Conflict extends ApiError {}

/** The first request with this idempotency key is still running. */
export class IdempotencyKeyInUse extends Conflict {}

/** 413: the file is larger than the server takes. */
export class BodyTooLarge extends ApiError {}

/** 422: `errors` names each faulty field and its limit. */
export class ValidationFailed extends ApiError {}

/** The idempotency key was used with another file or other options. */
export class IdempotencyKeyReused extends ValidationFailed {}

/** 429: a limit is reached. `retryAfter` says when to come back. */
export class TooManyRequests extends ApiError {}

/** 5xx: something went wrong on the server. */
export class ServerError extends ApiError {}

/** 503: the server, or a part of it, is away for a moment. */
export class ServiceUnavailable extends ServerError {}
