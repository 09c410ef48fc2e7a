/** Images: submit, wait, list, download, delete. */
import { type Download, downloaded, streamed, toStream } from "./downloads.js";
import { ImageFailed } from "./errors.js";
import type { Events } from "./events.js";
import type { AcceptedImage, DirectUpload, Download as Link, Estimate, Image } from "./models.js";
import { type Call, fieldsOf, formOf, newKey, type Options, type Submission, type Wait } from "./options.js";
import { type Listing, pages } from "./pages.js";
import { linkOf, type Source, uploadOf } from "./sources.js";
import type { Transport } from "./transport.js";
import { put } from "./uploads.js";
import { Waiting } from "./waiting.js";
import { isFolder, saveTo } from "#platform";

/** The options of `submit`. */
export interface ImageSubmission extends Submission {
  /** The name of the picture; by default that of the file. */
  filename?: string;
}

/** The options of downloads. */
export interface DownloadCall extends Call {
  /** Gets the length of each piece. */
  onBytes?: (length: number) => void;
}

/** The images of the user. */
export class Images {
  private readonly waiting: Waiting<Image>;

  constructor(
    private readonly transport: Transport,
    events: Events,
  ) {
    this.waiting = new Waiting(transport, events, "image", "/api/images");
  }

  /** Sends a picture, and returns the image that was accepted. It counts against the quota once. */
  async submit(source: Source, submission: ImageSubmission = {}): Promise<AcceptedImage> {
    const { filename, signal, idempotencyKey: key = newKey() } = submission;
    const fields = fieldsOf(submission);
    const link = linkOf(source);
    if (link !== undefined) {
      const body = { image_url: link, ...fields };
      return this.transport.call("POST", "/api/images/upscale", { body, key, signal });
    }
    const { name, content } = await uploadOf(source, filename);
    const form = formOf(fields);
    form.append("image", content, name);
    return this.transport.call("POST", "/api/images/upscale", { form, key, signal });
  }

  /**
   * Does what `submit` does, but puts the file into the object store: it does not pass through the API.
   *
   * An operator may allow larger files this way. The store must be reachable from here.
   */
  async submitDirectly(source: Source, submission: ImageSubmission = {}): Promise<AcceptedImage> {
    const { filename, signal, idempotencyKey: key = newKey() } = submission;
    const form = formOf(fieldsOf(submission));
    const { name, content } = await uploadOf(source, filename);
    const body = { filename: name, size: content.size };
    const prepared = await this.transport.call<DirectUpload>("POST", "/api/uploads", {
      body,
      key: newKey(),
      signal,
    });
    await put(this.transport, content, prepared, signal);
    form.append("upload_id", prepared.id);
    return this.transport.call("POST", "/api/images/upscale", { form, key, signal });
  }

  /** Queues a failed image again. It keeps its id, and takes a place in the quota. */
  retry(id: number, { signal }: Call = {}): Promise<Image> {
    return this.transport.call("POST", `/api/images/${id}/retry`, { key: newKey(), signal });
  }

  /** Returns what a picture of this size would become, without sending one. It costs nothing. */
  estimate(width: number, height: number, options: Options & Call = {}): Promise<Estimate> {
    const body = { width, height, ...fieldsOf(options) };
    return this.transport.call("POST", "/api/estimate", { body, signal: options.signal });
  }

  /** Returns an image with its state. */
  get(id: number, { signal }: Call = {}): Promise<Image> {
    return this.waiting.get(id, signal);
  }

  /** Returns the image once it is completed. Rejects with `ImageFailed` if it ends without a result. */
  async wait(id: number, wait: Wait<Image> = {}): Promise<Image> {
    const image = await this.waiting.wait(id, wait);
    if (image.status !== "failed") return image;
    const { message = "The image failed.", code = "", retryable = false } = image.error ?? {};
    throw new ImageFailed(message, image.id, code, retryable);
  }

  /** Returns the image once it has ended, also if it failed: look at `status` and `error`. */
  waitForEnd(id: number, wait: Wait<Image> = {}): Promise<Image> {
    return this.waiting.wait(id, wait);
  }

  /** Yields the images of the user, the newest first, and reads pages as they are needed. */
  list(listing: Listing = {}): AsyncGenerator<Image, void, undefined> {
    return pages(this.transport, "/api/images", listing);
  }

  /** Returns a new link to the result, which works for an hour and needs no token. */
  link(id: number, { signal }: Call = {}): Promise<Link> {
    return this.transport.call("GET", `/api/images/${id}/download`, { signal });
  }

  /** Returns the result. `image` is its id, or the image itself, whose link saves a request. */
  download(image: number | Image, call: DownloadCall = {}): Promise<Blob> {
    return downloaded(this.transport, this.downloadOf(image, call));
  }

  /** Returns the bytes of the result as a stream, which reads them as they are needed. */
  stream(image: number | Image, call: DownloadCall = {}): ReadableStream<Uint8Array> {
    return toStream(streamed(this.transport, this.downloadOf(image, call)));
  }

  /**
   * Saves the result in Node, and returns its path. In a folder it gets the name that the server gives it.
   *
   * The file appears under its name when it is complete.
   */
  async save(image: number | Image, path: string | URL, call: DownloadCall = {}): Promise<string> {
    const download = this.downloadOf(image, call);
    if (!(await isFolder(path))) return saveTo(path, streamed(this.transport, download));
    const id = typeof image === "number" ? image : image.id;
    const link = await this.link(id, call);
    const name = link.filename.replace(/^.*[/\\]/, "") || `image-${id}`;
    const folder = String(path).replace(/\/+$/, "");
    const target =
      path instanceof URL ? new URL(encodeURIComponent(name), `${folder}/`) : `${folder}/${name}`;
    return saveTo(target, streamed(this.transport, { ...download, first: link.download_url }));
  }

  /** Deletes an image with its files. One that is unfinished is cancelled, and does not count. */
  async delete(id: number, { signal }: Call = {}): Promise<void> {
    await this.transport.call("DELETE", `/api/images/${id}`, { signal });
  }

  private downloadOf(image: number | Image, call: DownloadCall): Download {
    const [id, first] = typeof image === "number" ? [image, null] : [image.id, image.download_url];
    return { ...call, first, link: async () => (await this.link(id, call)).download_url };
  }
}

/** A picture that was upscaled, with what can be done with it. */
export class Upscaled {
  constructor(
    readonly image: Image,
    private readonly images: Images,
  ) {}

  /** Returns the picture. */
  download(call: DownloadCall = {}): Promise<Blob> {
    return this.images.download(this.image, call);
  }

  /** Returns the bytes of the picture as a stream, which reads them as they are needed. */
  stream(call: DownloadCall = {}): ReadableStream<Uint8Array> {
    return this.images.stream(this.image, call);
  }

  /** Saves the picture in Node, and returns its path. In a folder it gets the name of the original. */
  save(path: string | URL, call: DownloadCall = {}): Promise<string> {
    return this.images.save(this.image, path, call);
  }

  /** Deletes original and result on the server. */
  delete(call: Call = {}): Promise<void> {
    return this.images.delete(this.image.id, call);
  }
}
