/** Downloads results: streamed, resumed after a break, and checked for their length. */
import { answerOf } from "./answers.js";
import { pause, pauseMs } from "./backoff.js";
import { ConnectionFailed, DownloadFailed } from "./errors.js";
import { Limit } from "./limit.js";
import { EXPIRED, Progress } from "./ranges.js";
import { failureOf, type Transport } from "./transport.js";

const STORE = "the store of the results";
const SILENT_MS = 60_000;

/** A result, and how its bytes are got. */
export interface Download {
  /** Returns a new link. It holds the right to read, and is not logged. */
  link: () => Promise<string>;
  /** A link that may still work. */
  first?: string | null;
  signal?: AbortSignal;
  /** Gets the length of each piece. */
  onBytes?: (length: number) => void;
}

/**
 * Yields the bytes of a result. After a break it goes on where it was.
 *
 * Rejects with `DownloadFailed` if the store refuses or the result changes meanwhile, and with
 * `ConnectionFailed` if no retry helps.
 */
export async function* streamed(
  transport: Transport,
  download: Download,
  progress = new Progress(),
): AsyncGenerator<Uint8Array, void, undefined> {
  const { signal, link, onBytes } = download;
  let url = download.first || (await link());
  for (let failures = 0; !progress.isComplete;) {
    const before = progress.done;
    try {
      for await (const chunk of piece(transport, url, progress, signal)) {
        onBytes?.(chunk.length);
        yield chunk;
      }
    } catch (error) {
      if (progress.done > before) failures = 0;
      const mayPass =
        error instanceof ConnectionFailed || (error instanceof DownloadFailed && error.isTemporary);
      if (!mayPass || signal?.aborted || failures >= transport.retries) throw error;
      const isExpired = error instanceof DownloadFailed && EXPIRED.includes(error.status);
      transport.log(
        `a download ${isExpired ? "needs a new link" : "broke off"} after ${progress.done} bytes`,
      );
      if (isExpired) url = await link();
      else await pause(pauseMs(failures), signal);
      failures += 1;
    }
  }
}

/** Returns the whole result with its media type. */
export async function downloaded(transport: Transport, download: Download): Promise<Blob> {
  const progress = new Progress();
  const chunks: BlobPart[] = [];
  for await (const chunk of streamed(transport, download, progress)) chunks.push(chunk as BlobPart);
  return new Blob(chunks, { type: progress.type });
}

/** Yields what the API makes while it is read. After a break it cannot go on. */
export async function* contentOf(
  transport: Transport,
  path: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { url } = transport.server;
  const limit = new Limit(SILENT_MS, signal, () => new ConnectionFailed(`${url} fell silent`));
  try {
    const init = { headers: transport.headers(), signal: limit.signal };
    const response = await transport.fetch(url + path, {
      ...init,
      redirect: "manual",
      credentials: "omit",
    });
    if (!response.ok) await answerOf(response, new URL(url).host);
    yield* chunksOf(response, limit);
  } catch (error) {
    throw failureOf(error, url, signal);
  } finally {
    limit.end();
  }
}

/** Returns the chunks as a stream that reads them as they are needed. */
export function toStream(chunks: AsyncGenerator<Uint8Array, void, undefined>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await chunks.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await chunks.return();
      },
    },
    { highWaterMark: 0 },
  );
}

/** Yields what one request brings of the bytes that are missing. */
async function* piece(
  transport: Transport,
  url: string,
  progress: Progress,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const limit = new Limit(SILENT_MS, signal, () => new ConnectionFailed(`${STORE} fell silent`));
  try {
    const init = { headers: progress.headers(), signal: limit.signal };
    const response = await transport.fetch(url, { ...init, credentials: "omit" });
    let skip = progress.begin(response.status, response.headers);
    for await (const chunk of chunksOf(response, limit)) {
      const wanted = chunk.subarray(skip);
      skip = Math.max(0, skip - chunk.length);
      if (!wanted.length) continue;
      progress.done += wanted.length;
      yield wanted;
    }
    progress.finish();
  } catch (error) {
    throw failureOf(error, STORE, signal);
  } finally {
    limit.end();
  }
}

/** Yields the chunks of an answer. The time of the limit begins anew with each. */
async function* chunksOf(response: Response, limit: Limit): AsyncGenerator<Uint8Array, void, undefined> {
  const body = response.body?.getReader();
  for (let part = await body?.read(); part && !part.done; part = await body?.read()) {
    limit.restart();
    yield part.value;
  }
}
