/** Waits for the end of an image or a batch: by events, else by requests that wait, else by polls. */
import { pause } from "./backoff.js";
import { ApiError, ConnectionFailed, UnexpectedAnswer, WaitTimedOut } from "./errors.js";
import { FrameReader } from "./event-frames.js";
import type { Events } from "./events.js";
import { Limit } from "./limit.js";
import type { Batch, Image } from "./models.js";
import type { Wait } from "./options.js";
import type { Transport } from "./transport.js";

const ENDED = ["completed", "partially_failed", "failed", "cancelled"];
const ONE_WAIT_SECONDS = 30;
const FIRST_POLL_MS = 500;
const LONGEST_POLL_MS = 5000;

/** Waits for one kind of thing. */
export class Waiting<Thing extends Image | Batch> {
  constructor(
    private readonly transport: Transport,
    private readonly events: Events,
    private readonly kind: "image" | "batch",
    private readonly path: string,
  ) {}

  /** Returns the thing once it has ended. Rejects with `WaitTimedOut` if the time is up before. */
  async wait(id: number, { timeoutMs, signal, onChange = () => {} }: Wait<Thing>): Promise<Thing> {
    const late = (): Error => new WaitTimedOut(`The ${this.kind} ${id} has not ended in time. It goes on.`);
    const limit = new Limit(timeoutMs, signal, late);
    try {
      const ended = await this.byEvents(id, limit.signal, onChange);
      return ended ?? (await this.byRequests(id, limit.signal, onChange));
    } finally {
      limit.end();
    }
  }

  get(id: number, signal?: AbortSignal): Promise<Thing> {
    return this.transport.call<Thing>("GET", `${this.path}/${id}`, { signal });
  }

  /** Returns the thing when it has ended; undefined if events cannot be followed until then. */
  private async byEvents(
    id: number,
    signal: AbortSignal,
    report: (thing: Thing) => void,
  ): Promise<Thing | undefined> {
    try {
      for await (const heard of this.events.connect({ [`${this.kind}_id`]: id }, new FrameReader(), signal)) {
        if (heard === "alive" || (heard !== "open" && heard.data["id"] !== id)) continue;
        if (heard === "open" || isLast(heard.data)) {
          // whatever ends from now on is in the stream; whatever has ended before is in this answer
          const thing = await this.get(id, signal);
          report(thing);
          if (ENDED.includes(thing.status)) return thing;
        } else report(heard.data as unknown as Thing);
      }
    } catch (error) {
      const isOfEvents = [ApiError, UnexpectedAnswer, ConnectionFailed].some((kind) => error instanceof kind);
      if (!isOfEvents || signal.aborted) throw error;
      this.transport.log(`events cannot be followed, so requests wait instead: ${String(error)}`);
    }
    return undefined;
  }

  private async byRequests(id: number, signal: AbortSignal, report: (thing: Thing) => void): Promise<Thing> {
    for (let ms = FIRST_POLL_MS; ; ms = Math.min(LONGEST_POLL_MS, ms * 1.5)) {
      const request = { query: { wait: ONE_WAIT_SECONDS }, signal };
      const { data, headers } = await this.transport.send<Thing>("GET", `${this.path}/${id}`, request);
      report(data);
      if (ENDED.includes(data.status)) return data;
      if (!headers.has("preference-applied")) await pause(ms, signal); // an older server does not wait
    }
  }
}

/** Returns whether an event is about an end, or about something that is gone. */
function isLast(data: Record<string, unknown>): boolean {
  return !("status" in data) || ENDED.includes(String(data["status"]));
}
