/** Checks and makes the signatures of webhooks, by the Standard Webhooks specification. */
import { InvalidInput, WebhookInvalid } from "./errors.js";
import { eventOf, type LoupeEvent } from "./event-frames.js";

const PREFIX = "whsec_";
const HMAC = { name: "HMAC", hash: "SHA-256" };

/** The headers of a request, as `fetch` or as Node has them. */
export type WebhookHeaders = Headers | Record<string, string | string[] | undefined>;

export interface Verification {
  /** How far the clock of the sender may be from that of this machine; 300 by default. */
  toleranceSeconds?: number;
  /** The time; that of this machine by default. */
  now?: Date;
}

/**
 * Returns the event of a webhook whose signature is right. Rejects with `WebhookInvalid` if it is not.
 *
 * `body` is the body as it arrived: parsed and printed again it has another signature. During a rotation give
 * both secrets. `id` of the event is the `webhook-id`: a delivery that comes twice has the same.
 */
export async function verify(
  body: string | Uint8Array,
  headers: WebhookHeaders,
  secret: string | readonly string[],
  { toleranceSeconds = 300, now = new Date() }: Verification = {},
): Promise<LoupeEvent> {
  const [id, sentAt, signatures] = ["id", "timestamp", "signature"].map((part) =>
    headerOf(headers, part),
  ) as [string, string, string];
  if (!/^\d{1,12}$/.test(sentAt))
    throw new WebhookInvalid("The header webhook-timestamp is no number of seconds.");
  if (!(Math.abs(now.getTime() / 1000 - Number(sentAt)) <= toleranceSeconds)) {
    throw new WebhookInvalid(
      "The webhook is too old, or from the future. Is the clock of this machine right?",
    );
  }
  const message = signedMessage(body, id, Number(sentAt));
  const keys = await Promise.all((typeof secret === "string" ? [secret] : secret).map(keyOf));
  const given = signatures.split(/\s+/).flatMap(decoded);
  const checks = keys.flatMap((key) => given.map((each) => crypto.subtle.verify(HMAC, key, each, message)));
  if (!(await Promise.all(checks)).includes(true)) {
    throw new WebhookInvalid("The signature is wrong. Is it the secret of this webhook?");
  }
  const event = eventOf(typeof body === "string" ? body : new TextDecoder().decode(body), id);
  if (!event) throw new WebhookInvalid("The body is no event.");
  return event;
}

/** Returns the header `webhook-signature`. Rejects with `InvalidInput` for a secret that is none. */
export async function sign(
  body: string | Uint8Array,
  webhookId: string,
  timestamp: number,
  secret: string,
): Promise<string> {
  const signature = await crypto.subtle.sign(
    HMAC,
    await keyOf(secret),
    signedMessage(body, webhookId, timestamp),
  );
  return `v1,${btoa(String.fromCharCode(...new Uint8Array(signature)))}`;
}

function headerOf(headers: WebhookHeaders, part: string): string {
  const name = `webhook-${part}`;
  const entries = headers instanceof Headers ? headers.entries() : Object.entries(headers);
  for (const [each, value] of entries)
    if (each.toLowerCase() === name && value !== undefined) return String(value);
  throw new WebhookInvalid(`The header ${name} is missing.`);
}

function signedMessage(body: string | Uint8Array, id: string, timestamp: number): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const head = encoder.encode(`${id}.${timestamp}.`);
  const content = typeof body === "string" ? encoder.encode(body) : body;
  const message = new Uint8Array(head.length + content.length);
  message.set(head);
  message.set(content, head.length);
  return message;
}

async function keyOf(secret: string): Promise<CryptoKey> {
  const key = bytesOf(secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : secret);
  if (!key?.length) throw new InvalidInput("The secret of a webhook is whsec_ and base64.");
  return crypto.subtle.importKey("raw", key, HMAC, false, ["sign", "verify"]);
}

/** Returns the bytes of a signature of version 1; none for another version or for broken text. */
function decoded(signature: string): Uint8Array<ArrayBuffer>[] {
  const bytes = signature.startsWith("v1,") ? bytesOf(signature.slice(3)) : undefined;
  return bytes ? [bytes] : [];
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
}
