/** How long to pause before a request is sent again. */
const FIRST_SECONDS = 0.5;
const LONGEST_SECONDS = 8;

/**
 * Returns the pause in milliseconds after this failed attempt, of which the first is 0.
 *
 * Pauses double, and are shortened at random by up to a half, so that clients do not come back together. A
 * `Retry-After` of the server, in seconds, is never undercut.
 */
export function pauseMs(attempt: number, retryAfter?: number): number {
  const longest = Math.min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** attempt);
  const jittered = longest * (0.5 + Math.random() / 2);
  return 1000 * (retryAfter === undefined ? jittered : retryAfter + jittered / 4);
}

/** Returns the seconds of a `Retry-After` header; undefined if there is none that can be read (RFC 9110). */
export function retryAfterOf(headers: Headers): number | undefined {
  const text = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+$/.test(text)) return Number(text);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, (at - Date.now()) / 1000);
}

/** Resolves after the pause. Rejects at once with the reason of the signal if it is aborted. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
