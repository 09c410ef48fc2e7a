/** One event stream for all tabs: the tab that holds a lock opens it, and passes each event on to the others. */
import type { Image, Schemas } from "./client";

const IMAGE_EVENTS = [
  "image.accepted",
  "image.processing",
  "image.progress",
  "image.completed",
  "image.failed",
  "image.expired",
  "image.deleted",
] as const;
const BATCH_EVENTS = [
  "batch.accepted",
  "batch.progress",
  "batch.completed",
  "batch.partially_failed",
  "batch.failed",
  "batch.cancelled",
] as const;
const LOCK = "loupe.events";
const SHORTEST_PAUSE_MS = 5000;
const LONGEST_PAUSE_MS = 120_000;

interface Gone {
  id: number;
  deleted: true;
}

export type StreamEvent =
  | { type: (typeof IMAGE_EVENTS)[number]; data: Image | Gone }
  | { type: (typeof BATCH_EVENTS)[number]; data: Omit<Schemas["Batch"], "images"> | Gone }
  | { type: "reset" };

/** Calls `onEvent` until `stop` is called. `reset` says that lists must be read anew. */
export function followEvents(onEvent: (event: StreamEvent) => void, onRefused: () => void): () => void {
  const channel = new BroadcastChannel(LOCK);
  const ended = new AbortController();
  channel.onmessage = (message: MessageEvent<StreamEvent>) => onEvent(message.data);
  const publish = (event: StreamEvent): void => {
    onEvent(event);
    channel.postMessage(event);
  };
  navigator.locks
    .request(LOCK, { signal: ended.signal }, () => lead(publish, onRefused, ended.signal))
    .catch(() => undefined); // the tab stopped waiting for the lock
  return () => {
    ended.abort();
    channel.close();
  };
}

/** Reads the stream until the signal. A browser reconnects by itself, unless the server refused it. */
function lead(publish: (event: StreamEvent) => void, onRefused: () => void, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    let source: EventSource | undefined;
    let waiting: number | undefined;
    let pause = SHORTEST_PAUSE_MS;
    const open = (): void => {
      source = new EventSource("/api/events");
      for (const type of [...IMAGE_EVENTS, ...BATCH_EVENTS]) {
        source.addEventListener(type, (event: MessageEvent<string>) => publish(JSON.parse(event.data) as StreamEvent));
      }
      source.addEventListener("reset", () => publish({ type: "reset" }));
      source.onopen = () => {
        pause = SHORTEST_PAUSE_MS;
      };
      source.onerror = () => {
        if (source?.readyState !== EventSource.CLOSED) return;
        onRefused();
        waiting = window.setTimeout(() => {
          publish({ type: "reset" });
          open();
        }, pause);
        pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
      };
    };
    ended.addEventListener("abort", () => {
      window.clearTimeout(waiting);
      source?.close();
      resolve();
    });
    open();
  });
}
