/** Sends one file. `fetch` reports no progress of what it sends, so this uses XMLHttpRequest. */
import { ApiError, CONSOLE_HEADER, type Schemas, toError, UNREACHABLE } from "./client";

export type Accepted = Schemas["AcceptedImage"];

/** The API reads no larger file, and closes the connection, so that a browser could not say why. */
const LARGEST_FILE_BYTES = 10 << 20;
export const TOO_LARGE = "too_large";

export interface Sending {
  accepted: Promise<Accepted>;
  stop: () => void;
}

export function sendFile(
  file: File,
  options: Readonly<Record<string, string>>,
  onProgress: (percent: number) => void,
): Sending {
  if (file.size > LARGEST_FILE_BYTES) {
    return { accepted: Promise.reject(new ApiError(0, TOO_LARGE, "")), stop: () => undefined };
  }
  const request = new XMLHttpRequest();
  const form = new FormData();
  for (const [name, value] of Object.entries(options)) form.append(name, value);
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
  request.send(form);
  return { accepted, stop: () => request.abort() };
}
