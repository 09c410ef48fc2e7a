/** The frames of server-sent events (WHATWG HTML, section 9.2), and the events of Loupe in them. */
import type { Batch, EventType, Image } from "./models.js";

/** Something that happened to an image or a batch. */
export interface LoupeEvent {
  /** The type, such as `image.completed`. `reset` says that events were lost: read your lists again. */
  type: EventType;
  /** The image or the batch as the API shows it; `{ id: 42, deleted: true }` if it is gone. */
  data: Record<string, unknown>;
  /** The image; undefined if the event is about a batch, or if the image is gone. */
  image?: Image;
  /** The batch, without its images; undefined if the event is about an image, or if the batch is gone. */
  batch?: Batch;
  /** The place in the stream. Progress has none of its own. */
  id: string;
  timestamp?: Date;
}

/** Returns the event of a JSON text; undefined if it is none. */
export function eventOf(text: string, id: string): LoupeEvent | undefined {
  try {
    const { type, data, timestamp } = JSON.parse(text) as Record<string, unknown>;
    if (typeof type !== "string") return undefined;
    const event: LoupeEvent = { type, data: (data ?? {}) as Record<string, unknown>, id };
    const at = new Date(String(timestamp));
    if (!Number.isNaN(at.getTime())) event.timestamp = at;
    if ("status" in event.data && type.startsWith("image.")) event.image = event.data as unknown as Image;
    if ("status" in event.data && type.startsWith("batch.")) event.batch = event.data as unknown as Batch;
    return event;
  } catch {
    return undefined;
  }
}

/** Collects the text of a stream to events. */
export class FrameReader {
  #rest = "";
  #data: string[] = [];

  /** `lastId` is the id to go on from after a break. */
  constructor(public lastId = "") {}

  /** Returns a reader for the next connection. Half an event of the last one does not count. */
  afterBreak(): FrameReader {
    return new FrameReader(this.lastId);
  }

  /** Yields the events that end within the text. */
  *feed(text: string): Generator<LoupeEvent> {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const each of lines) {
      const line = each.endsWith("\r") ? each.slice(0, -1) : each;
      const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (line === "" && this.#data.length) {
        const event = eventOf(this.#data.join("\n"), this.lastId);
        this.#data = [];
        if (event) yield event;
      } else if (name === "id") this.lastId = value?.trim() ?? "";
      else if (name === "data") this.#data.push(value ?? "");
    }
  }
}
