/** Puts a file into the object store, by a signed link. */
import { pause, pauseMs } from "./backoff.js";
import { ConnectionFailed, UploadRefused } from "./errors.js";
import { Limit } from "./limit.js";
import type { DirectUpload } from "./models.js";
import { failureOf, type Transport, UPLOAD_MS } from "./transport.js";

const STORE = "the object store";

/** Sends the bytes. Rejects with `UploadRefused` or `ConnectionFailed` if the store refuses or is away. */
export async function put(
  transport: Transport,
  content: Blob,
  prepared: DirectUpload,
  signal?: AbortSignal,
): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const status = await putOnce(transport, content, prepared, signal);
      if (status < 300) return;
      const refusal = new UploadRefused(`The object store refused the file: it answered ${status}.`);
      if (status < 500 || attempt >= transport.retries) throw refusal;
    } catch (error) {
      if (!(error instanceof ConnectionFailed) || attempt >= transport.retries) throw error;
    }
    await pause(pauseMs(attempt), signal);
  }
}

async function putOnce(
  transport: Transport,
  content: Blob,
  { method, url, headers }: DirectUpload,
  signal: AbortSignal | undefined,
): Promise<number> {
  const limit = new Limit(UPLOAD_MS, signal, () => new ConnectionFailed(`${STORE} fell silent`));
  try {
    const init = {
      method,
      headers: headers as Record<string, string>,
      body: content,
      signal: limit.signal,
    };
    const response = await transport.fetch(url, { ...init, credentials: "omit" });
    await response.arrayBuffer();
    return response.status;
  } catch (error) {
    throw failureOf(error, STORE, signal);
  } finally {
    limit.end();
  }
}
