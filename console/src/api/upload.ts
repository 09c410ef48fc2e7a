/** Sends one file. `fetch` reports no progress of what it sends, so this uses XMLHttpRequest. */
import { ApiError, CONSOLE_HEADER, type Schemas, toError, UNREACHABLE } from "./client";

export type Accepted = Schemas["AcceptedImage"];

/** The API reads no larger file, and closes the connection, so that a browser could not say why. */
const LARGEST_FILE_BYTES = 10 << 20;
export const TOO_LARGE = "too_large";
/** The file was on the disk when it was chosen, and is not there any more. */
export const GONE = "gone";

export function isTooLarge(file: File): boolean {
  return file.size > LARGEST_FILE_BYTES;
}

export interface Sendable {
  file: File;
  fields: Readonly<Record<string, string>>;
  /** A repeat with the same key takes effect once. */
  idempotencyKey: string;
}

export interface Sending {
  accepted: Promise<Accepted>;
  stop: () => void;
}

export function sendFile({ file, fields, idempotencyKey }: Sendable, onProgress: (percent: number) => void): Sending {
  const request = new XMLHttpRequest();
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("image", file, file.name);
  const accepted = new Promise<Accepted>((resolve, reject) => {
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(Math.floor((100 * event.loaded) / event.total));
    };
    request.onload = () => {
      const body = request.response as { data?: Accepted } | null;
      if (request.status < 300 && body?.data) resolve(body.data);
      else reject(toError(request.status, body, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(new ApiError(0, UNREACHABLE, ""));
    request.onabort = () => reject(new ApiError(0, "stopped", ""));
  });
  request.open("POST", "/api/images/upscale");
  request.responseType = "json";
  for (const [name, value] of Object.entries(CONSOLE_HEADER)) request.setRequestHeader(name, value);
  request.setRequestHeader("Idempotency-Key", idempotencyKey);
  request.send(form);
  return { accepted, stop: () => request.abort() };
}
