import { ApiError, UNREACHABLE } from "../api/client";
import { GONE, TOO_LARGE } from "../api/upload";
import { fill, texts } from "../texts";

/** Returns what went wrong as a sentence: the API's own words, where there are any. */
export function sentenceOf(error: unknown): string {
  const t = texts();
  if (!(error instanceof ApiError) || error.code === UNREACHABLE) return t.away;
  if (error.status === 429 && error.code === "too_many_requests" && error.retryAfterSeconds) {
    return fill(t.limited, { minutes: Math.ceil(error.retryAfterSeconds / 60) });
  }
  if (error.code === GONE) return t.upscale.gone;
  if (error.code === TOO_LARGE) return t.upscale.tooLarge;
  return error.sentence || t.away;
}

export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  if (!error) return null;
  return (
    <div class="notice row" role="alert">
      <p>{sentenceOf(error)}</p>
      {onRetry && <button onClick={onRetry}>{texts().tryAgain}</button>}
    </div>
  );
}
