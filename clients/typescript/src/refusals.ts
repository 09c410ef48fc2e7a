/** Turns each refusal of the API into its class of error. */
import {
  ApiError,
  BadRequest,
  BodyTooLarge,
  Conflict,
  EmailUnverified,
  IdempotencyKeyInUse,
  IdempotencyKeyReused,
  ImageNotFinished,
  InvalidCredentials,
  MissingAbility,
  NotFound,
  PermissionDenied,
  PlanInsufficient,
  QuotaExceeded,
  ReauthenticationRequired,
  SecondFactorRequired,
  ServerError,
  ServiceUnavailable,
  SubscriptionExpired,
  TooManyRequests,
  Unauthenticated,
  ValidationFailed,
  type Refusal,
} from "./errors.js";

const BY_CODE: Record<string, typeof ApiError> = {
  image_processing: ImageNotFinished,
  invalid_credentials: InvalidCredentials,
  second_factor_required: SecondFactorRequired,
  email_unverified: EmailUnverified,
  no_api_access: PlanInsufficient,
  plan_feature_missing: PlanInsufficient,
  subscription_expired: SubscriptionExpired,
  quota_exceeded: QuotaExceeded,
  missing_ability: MissingAbility,
  reauthentication_required: ReauthenticationRequired,
  idempotency_key_in_use: IdempotencyKeyInUse,
  idempotency_key_reused: IdempotencyKeyReused,
};
const BY_STATUS: Record<number, typeof ApiError> = {
  400: BadRequest,
  401: Unauthenticated,
  403: PermissionDenied,
  404: NotFound,
  409: Conflict,
  413: BodyTooLarge,
  422: ValidationFailed,
  429: TooManyRequests,
  503: ServiceUnavailable,
};

/** Returns a refusal as the error that it is. */
export function refused(refusal: Refusal): ApiError {
  const other = refusal.status >= 500 ? ServerError : ApiError;
  const known = Object.hasOwn(BY_CODE, refusal.code) ? BY_CODE[refusal.code] : BY_STATUS[refusal.status];
  return new (known ?? other)(refusal);
}
