/** Batches: several pictures in one request. */
import { contentOf, toStream } from "./downloads.js";
import type { Events } from "./events.js";
import type { AcceptedBatch, Batch, BatchImage } from "./models.js";
import { type Call, fieldsOf, formOf, type Item, itemFieldsOf, newKey, type Submission, type Wait } from "./options.js";
import { type Listing, pages } from "./pages.js";
import { type Source, uploadOf } from "./sources.js";
import type { Transport } from "./transport.js";
import { Waiting } from "./waiting.js";
import { saveTo } from "#platform";

/** The options of `submit`. */
export interface BatchSubmission extends Submission {
  /** The label of the batch. */
  name?: string;
}

/** The options of `create`. */
export interface ManifestSubmission extends BatchSubmission {
  /** The effect of a refused item: all are refused (`reject`, the default), or it fails alone. */
  onError?: "reject" | "skip" | (string & {});
}

/** The batches of the user. The plan has to include them. */
export class Batches {
  private readonly waiting: Waiting<Batch>;

  constructor(
    private readonly transport: Transport,
    events: Events,
  ) {
    this.waiting = new Waiting(transport, events, "batch", "/api/batches");
  }

  /** Sends up to 20 pictures with the same options. One faulty file refuses the whole batch. */
  async submit(sources: readonly Source[], submission: BatchSubmission = {}): Promise<AcceptedBatch> {
    const { name: label, signal, idempotencyKey: key = newKey() } = submission;
    const form = formOf(fieldsOf(submission));
    if (label) form.append("name", label);
    for (const source of sources) {
      const { name, content } = await uploadOf(source);
      form.append("images[]", content, name);
    }
    return this.transport.call("POST", "/api/batches", { form, key, signal });
  }

  /**
   * Sends up to 1,000 links or ids of direct uploads, whose files the server fetches later. An item that the
   * server refuses makes it refuse all, or with `onError: "skip"` becomes a failed image.
   */
  create(items: readonly Item[], manifest: ManifestSubmission = {}): Promise<AcceptedBatch> {
    const { name, onError, signal, idempotencyKey: key = newKey() } = manifest;
    const body = { items: items.map(itemFieldsOf), name, on_error: onError, ...fieldsOf(manifest) };
    return this.transport.call("POST", "/api/batches", { body, key, signal });
  }

  /** Returns a batch with its first 100 images. */
  get(id: number, { signal }: Call = {}): Promise<Batch> {
    return this.waiting.get(id, signal);
  }

  /** Returns the batch once it has ended, in whatever way: look at `status` and at its images. */
  wait(id: number, wait: Wait<Batch> = {}): Promise<Batch> {
    return this.waiting.wait(id, wait);
  }

  /** Yields the batches of the user, the newest first, and reads pages as they are needed. */
  list(listing: Listing = {}): AsyncGenerator<Batch, void, undefined> {
    return pages(this.transport, "/api/batches", listing);
  }

  /** Yields the images of a batch in the order of the upload, and reads pages as they are needed. */
  images(id: number, listing: Listing = {}): AsyncGenerator<BatchImage, void, undefined> {
    return pages(this.transport, `/api/batches/${id}/images`, listing);
  }

  /** Returns all results of a batch that has ended as a ZIP, which the server makes while it is read. */
  archive(id: number, { signal }: Call = {}): ReadableStream<Uint8Array> {
    return toStream(contentOf(this.transport, `/api/batches/${id}/archive`, signal));
  }

  /** Saves that ZIP in Node, and returns its path. */
  saveArchive(id: number, path: string | URL, { signal }: Call = {}): Promise<string> {
    return saveTo(path, contentOf(this.transport, `/api/batches/${id}/archive`, signal));
  }

  /** Returns a table (CSV) with a line for each image of a batch. */
  report(id: number, { signal }: Call = {}): Promise<string> {
    return new Response(toStream(contentOf(this.transport, `/api/batches/${id}/report`, signal))).text();
  }

  /** Queues the failed images of a batch again that can be retried. */
  retry(id: number, { signal }: Call = {}): Promise<Batch> {
    return this.transport.call("POST", `/api/batches/${id}/retry`, { key: newKey(), signal });
  }

  /** Cancels an unfinished batch. Deletes one that has ended, with its images. */
  async delete(id: number, { signal }: Call = {}): Promise<void> {
    await this.transport.call("DELETE", `/api/batches/${id}`, { signal });
  }
}
