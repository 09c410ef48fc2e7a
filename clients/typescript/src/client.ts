/** The client: one object for one server and one user. */
import { Account } from "./account.js";
import { Batches } from "./batches.js";
import { Events } from "./events.js";
import { Images, type ImageSubmission, Upscaled } from "./images.js";
import type { Image, OfferedPlan, ServedModel } from "./models.js";
import type { Call, Wait } from "./options.js";
import { findServer } from "./servers.js";
import type { Source } from "./sources.js";
import { Tokens } from "./tokens.js";
import { type Request, Transport } from "./transport.js";
import { Webhooks } from "./webhooks.js";

/** The server, the token, and how patiently the client waits. */
export interface LoupeOptions {
  /**
   * The address of the server. In Node it is found without being given: in `LOUPE_URL`, in the profile that
   * `loupe login` writes, or as the Loupe that `make up` runs here.
   */
  url?: string;
  /** The text of an API token; in Node `LOUPE_TOKEN` by default, or that of the profile. */
  token?: string;
  /** How often a request that fails for a moment is sent again; 5 by default. */
  retries?: number;
  /** If the server asks for a longer pause, its refusal is thrown at once; 60,000 by default. */
  longestPauseMs?: number;
  /** Replaces the `fetch` of the platform. */
  fetch?: typeof globalThis.fetch;
  /** Gets a sentence about each retry. No sentence holds a token or a link. */
  log?: (message: string) => void;
}

/** The options of `upscale`. */
export interface Upscaling extends ImageSubmission, Wait<Image> {}

/** A client of Loupe. Nothing is sent before the first call. */
export class Loupe {
  readonly images: Images;
  readonly batches: Batches;
  readonly events: Events;
  readonly account: Account;
  readonly tokens: Tokens;
  readonly webhooks: Webhooks;
  readonly #transport: Transport;

  constructor({ url, token, retries = 5, longestPauseMs = 60_000, fetch, log }: LoupeOptions = {}) {
    this.#transport = new Transport(findServer(url, token), { retries, longestPauseMs, fetch, log });
    this.events = new Events(this.#transport);
    this.images = new Images(this.#transport, this.events);
    this.batches = new Batches(this.#transport, this.events);
    this.account = new Account(this.#transport);
    this.tokens = new Tokens(this.#transport);
    this.webhooks = new Webhooks(this.#transport);
  }

  /**
   * Upscales a picture, and returns the result once it is there. Without a size it is doubled.
   *
   * Rejects with `ImageFailed` if it ends without a result, with `WaitTimedOut` after `timeoutMs`, and with
   * an `ApiError` if it is refused.
   */
  async upscale(source: Source, upscaling: Upscaling = {}): Promise<Upscaled> {
    const accepted = await this.images.submit(source, upscaling);
    return new Upscaled(await this.images.wait(accepted.id, upscaling), this.images);
  }

  /** Returns the models that this installation serves. */
  models({ signal }: Call = {}): Promise<ServedModel[]> {
    return this.#transport.call("GET", "/api/models", { signal });
  }

  /** Returns the plans that this installation offers. */
  plans({ signal }: Call = {}): Promise<OfferedPlan[]> {
    return this.#transport.call("GET", "/api/plans", { signal });
  }

  /** Sends any request, and returns its `data`. */
  request<Data = unknown>(method: string, path: string, request: Request = {}): Promise<Data> {
    return this.#transport.call(method, path, request);
  }
}
