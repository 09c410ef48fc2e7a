/** Follows the events of the server, and comes back after a break without missing one. */
import { answerOf } from "./answers.js";
import { pause, pauseMs } from "./backoff.js";
import { ApiError, ConnectionFailed } from "./errors.js";
import { FrameReader, type LoupeEvent } from "./event-frames.js";
import { Limit } from "./limit.js";
import { failureOf, type Query, type Transport } from "./transport.js";

/** The server sends a comment every 15 seconds. After this silence the connection is dead. */
const SILENT_MS = 60_000;

/** The events to follow, and where to start. */
export interface Following {
  /** The types, such as `["image.completed", "image.failed"]`. All by default. */
  types?: string[];
  imageId?: number;
  batchId?: number;
  /** The `id` of the last event that you know: those after it come first. */
  lastEventId?: string;
  /** Called at each connection. Events after it are not missed. */
  onOpen?: () => void;
  signal?: AbortSignal;
}

/** Events about the images and batches of the user. */
export class Events {
  constructor(private readonly transport: Transport) {}

  /**
   * Yields events until the caller stops, across broken connections.
   *
   * Rejects with `ApiError` for a refusal, such as a revoked token, and with `ConnectionFailed` if no
   * retry helps.
   */
  async *follow(following: Following = {}): AsyncGenerator<LoupeEvent, void, undefined> {
    const { types, imageId, batchId, signal } = following;
    const query = { types: types?.join(","), image_id: imageId, batch_id: batchId };
    let reader = new FrameReader(following.lastEventId);
    for (let failures = 0; ; failures += 1) {
      try {
        for await (const heard of this.connect(query, reader, signal)) {
          if (heard === "open") following.onOpen?.();
          else failures = 0;
          if (typeof heard === "object") yield heard;
        }
      } catch (error) {
        const mayPass =
          error instanceof ConnectionFailed || (error instanceof ApiError && error.status >= 500);
        if (!mayPass || signal?.aborted || failures >= this.transport.retries) throw error;
      }
      reader = reader.afterBreak();
      await pause(pauseMs(failures), signal);
    }
  }

  /** Yields `open`, then events and `alive` for whatever else is heard, until the connection ends. */
  async *connect(
    query: Query,
    reader: FrameReader,
    signal?: AbortSignal,
  ): AsyncGenerator<LoupeEvent | "open" | "alive", void, undefined> {
    const { url } = this.transport.server;
    const limit = new Limit(
      SILENT_MS,
      signal,
      () => new ConnectionFailed(`The events of ${url} fell silent.`),
    );
    const headers = { ...this.transport.headers(), Accept: "text/event-stream" };
    try {
      const response = await this.transport.fetch(this.transport.address("/api/events", query), {
        headers: reader.lastId ? { ...headers, "Last-Event-ID": reader.lastId } : headers,
        redirect: "manual",
        credentials: "omit",
        cache: "no-store",
        signal: limit.signal,
      });
      if (!response.ok || !response.body) {
        await answerOf(response, new URL(url).host);
        throw new ConnectionFailed(`The events of ${url} ended before they began.`);
      }
      yield "open";
      const body = response.body.getReader();
      const decoder = new TextDecoder();
      for (let part = await body.read(); !part.done; part = await body.read()) {
        limit.restart();
        yield "alive";
        yield* reader.feed(decoder.decode(part.value, { stream: true }));
      }
    } catch (error) {
      throw failureOf(error, url, signal);
    } finally {
      limit.end();
    }
  }
}
