/** Reads answers of the API: their envelope, or the error that they are. */
import { retryAfterOf } from "./backoff.js";
import { UnexpectedAnswer } from "./errors.js";
import { refused } from "./refusals.js";

/** A success of the API, with its headers. */
export interface Answer<Data = unknown> {
  headers: Headers;
  data: Data;
  links: { next?: string | null };
}

interface Envelope {
  success: boolean;
  message?: string;
  data?: unknown;
  links?: Answer["links"];
  code?: string;
  errors?: Record<string, string[]>;
  request_id?: string;
}

/** Returns a success. Rejects with the `ApiError` of a refusal, and with `UnexpectedAnswer` for others. */
export async function answerOf<Data>(response: Response, host: string): Promise<Answer<Data>> {
  const { status, headers } = response;
  const envelope = envelopeOf(await response.text());
  const message = envelope?.message || `The server answered ${status}.`;
  if (!envelope && status < 500) {
    throw new UnexpectedAnswer(
      `${host} answered ${status || "with a redirect"}, and not as Loupe does. Is its address right?`,
    );
  }
  if (!envelope || !response.ok) {
    // a proxy answers without an envelope for a server that is away
    throw refused({
      status,
      code: envelope?.code ?? "",
      message,
      errors: envelope?.errors ?? {},
      requestId: envelope?.request_id ?? "",
      retryAfter: retryAfterOf(headers),
    });
  }
  return { headers, data: envelope.data as Data, links: envelope.links ?? {} };
}

function envelopeOf(text: string): Envelope | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body && "success" in body ? (body as Envelope) : undefined;
  } catch {
    return undefined;
  }
}
