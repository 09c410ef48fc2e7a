/** The options of an upscaling, by the names that people use, and as the API takes them. */
import { InvalidInput } from "./errors.js";

/** How a picture is upscaled. Without a size it is doubled. */
export interface Options {
  /** 2, 3 or 4. */
  scale?: number;
  /** The exact width of the result in pixels. */
  width?: number;
  /** The exact height of the result in pixels. */
  height?: number;
  /** How another aspect ratio fills width and height; `stretch` by default. */
  fit?: "stretch" | "cover" | "contain" | (string & {});
  /** The format of the result, such as `png`; by default that of the original. */
  format?: string;
  /** 1 to 100, for JPEG, WebP, AVIF and JPEG XL. */
  quality?: number;
  /** `auto` (default), or another of `Loupe.models()`. */
  model?: string;
  /** How much noise and traces of compression `clean` and `art` take away, 0 to 3. */
  denoise?: number;
  /** How much of `enhance` the result has, 0 to 1; the rest is `faithful`. */
  strength?: number;
  /** `exact` makes networks compute in single precision; `auto` by default. */
  precision?: "auto" | "exact" | (string & {});
  /** `keep` keeps EXIF data in the result; by default (`strip`) it is removed. */
  metadata?: "strip" | "keep" | (string & {});
  /** The resolution of the result for print, in pixels an inch. */
  dpi?: number;
  /** Seconds from the end of the image until the server deletes it. By default it is kept. */
  expiresIn?: number;
  /** The address to which the server sends the events of this upload, signed with the account's secret. */
  webhookUrl?: string;
}

/** A file of a manifest: a link, or the id of a direct upload, and the options that it has for itself. */
export interface Item extends Options {
  imageUrl?: string;
  uploadId?: string;
  /** Your own name for it, which answers, events, reports and archives tell back. */
  reference?: string;
}

/** The options of every call. */
export interface Call {
  /** Aborts the call. It then rejects with the reason of the signal. */
  signal?: AbortSignal;
}

/** The options of every call that submits something. */
export interface Submission extends Call, Options {
  /**
   * Names this call: repeating it with the same key within 24 hours returns the same answer. Without
   * one, each call has its own, which its retries share.
   */
  idempotencyKey?: string;
}

/** The options of every wait. */
export interface Wait<Thing> extends Call {
  /** Rejects with `WaitTimedOut` after these milliseconds. Without it the wait has no end. */
  timeoutMs?: number;
  /** Gets the image or the batch whenever it changes, which includes its `progress` in percent. */
  onChange?: (thing: Thing) => void;
}

const NAMES: Record<keyof Options, string> = {
  scale: "scale_factor",
  width: "target_width",
  height: "target_height",
  fit: "fit",
  format: "output_format",
  quality: "quality",
  model: "model",
  denoise: "denoise",
  strength: "strength",
  precision: "precision",
  metadata: "metadata",
  dpi: "dpi",
  expiresIn: "expires_in",
  webhookUrl: "webhook_url",
};
const OF_CALLS = ["signal", "idempotencyKey", "filename", "name", "onError", "timeoutMs", "onChange"];

/** Returns an item under the names of the API. Throws `InvalidInput` for an unknown option. */
export function itemFieldsOf({ imageUrl, uploadId, reference, ...options }: Item): Record<string, unknown> {
  return { image_url: imageUrl, upload_id: uploadId, reference, ...fieldsOf(options) };
}

/** Returns the options under the names of the API. Throws `InvalidInput` for an unknown one. */
export function fieldsOf(options: Options): Record<string, string | number> {
  const fields: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(options)) {
    if (OF_CALLS.includes(name)) continue;
    if (!Object.hasOwn(NAMES, name)) {
      throw new InvalidInput(`There is no option ${name}. The options are ${Object.keys(NAMES).join(", ")}.`);
    }
    if (value !== undefined && value !== null) fields[NAMES[name as keyof Options]] = value;
  }
  return fields;
}

/** Returns a form with these fields. */
export function formOf(fields: Record<string, string | number>): FormData {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.append(field, String(value));
  return form;
}

/** Returns a new idempotency key. Pages without HTTPS have no `crypto.randomUUID`. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
