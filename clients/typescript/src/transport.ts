/** Sends requests to the API, again after failures, and returns what the answers carry. */
import { type Answer, answerOf } from "./answers.js";
import { pause, pauseMs } from "./backoff.js";
import { ApiError, ConnectionFailed, LoupeError, NotFound, ServerError } from "./errors.js";
import { Limit } from "./limit.js";
import type { Server } from "./servers.js";
import { USER_AGENT } from "#platform";

/** Limits that another way of waiting avoids: repeating does not help. */
const CROWDED = ["too_many_waits", "too_many_event_streams"];
const ANSWER_MS = 60_000;
export const UPLOAD_MS = 600_000;
/** Failures of Node after which the server has certainly seen nothing. Browsers do not name theirs. */
const NOT_SENT = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "UND_ERR_CONNECT_TIMEOUT"];

export type Query = Record<string, string | number | undefined>;

/** A request, apart from its method and path. */
export interface Request {
  query?: Query;
  /** Sent as JSON. Fields that are undefined are left out. */
  body?: unknown;
  form?: FormData;
  /** The idempotency key. A POST without one is sent again only if it certainly did not arrive. */
  key?: string;
  signal?: AbortSignal;
}

export interface TransportOptions {
  retries: number;
  longestPauseMs: number;
  fetch?: typeof globalThis.fetch;
  log?: (message: string) => void;
}

/** The connection to one server as one user. */
export class Transport {
  readonly retries: number;
  readonly log: (message: string) => void;

  constructor(
    readonly server: Server,
    private readonly options: TransportOptions,
  ) {
    this.retries = options.retries;
    this.log = options.log ?? (() => {});
  }

  /** Calls the `fetch` of the caller, or that of the platform. Throws the reason of an aborted signal. */
  fetch(url: string, init: RequestInit & { signal: AbortSignal }): Promise<Response> {
    init.signal.throwIfAborted(); // Node 24 throws an error that nobody can catch if it gets a form then
    return (this.options.fetch ?? globalThis.fetch)(url, init);
  }

  /** Sends a request, and returns the data of the answer. */
  async call<Data>(method: string, path: string, request: Request = {}): Promise<Data> {
    return (await this.send<Data>(method, path, request)).data;
  }

  /** Sends a request until the server answers for good, and returns a success. */
  async send<Data>(method: string, path: string, request: Request = {}): Promise<Answer<Data>> {
    const isRepeatable = method !== "POST" || request.key !== undefined;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.once<Data>(method, path, request);
      } catch (error) {
        if (attempt > 0 && method === "DELETE" && error instanceof NotFound) {
          return { headers: new Headers(), data: undefined as Data, links: {} }; // it had arrived
        }
        const ms = pauseMs(attempt, error instanceof ApiError ? error.retryAfter : undefined);
        const mayPass = !request.signal?.aborted && mayPassSoon(error, isRepeatable);
        if (!mayPass || attempt >= this.retries || ms > this.options.longestPauseMs) throw error;
        this.log(`${method} ${path} failed and is sent again in ${Math.round(ms)} ms: ${String(error)}`);
        await pause(ms, request.signal);
      }
    }
  }

  /** Returns the headers of each request. */
  headers(): Record<string, string> {
    const own = { Accept: "application/json", ...(USER_AGENT ? { "User-Agent": USER_AGENT } : {}) };
    return this.server.token ? { ...own, Authorization: `Bearer ${this.server.token}` } : own;
  }

  /** Returns the address of a path of the API. */
  address(path: string, query: Query = {}): string {
    const given = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]],
    );
    return this.server.url + path + (given.length ? `?${new URLSearchParams(given)}` : "");
  }

  private async once<Data>(method: string, path: string, request: Request): Promise<Answer<Data>> {
    const ms = request.form ? UPLOAD_MS : ANSWER_MS;
    const limit = new Limit(ms, request.signal, () =>
      noAnswer(this.server.url, `nothing came for ${ms / 1000} s`),
    );
    const headers = this.headers();
    if (request.key !== undefined) headers["Idempotency-Key"] = request.key;
    if (request.body !== undefined) headers["Content-Type"] = "application/json";
    try {
      const response = await this.fetch(this.address(path, request.query), {
        method,
        headers,
        body: request.form ?? (request.body === undefined ? null : JSON.stringify(request.body)),
        redirect: "manual",
        credentials: "omit",
        cache: "no-store",
        signal: limit.signal,
      });
      return await answerOf<Data>(response, new URL(this.server.url).host);
    } catch (error) {
      throw failureOf(error, this.server.url, request.signal);
    } finally {
      limit.end();
    }
  }
}

/** Returns what `fetch` has thrown as an error of this package, or as the reason of an aborted signal. */
export function failureOf(error: unknown, url: string, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  return error instanceof LoupeError ? error : noAnswer(url, reasonOf(error), error);
}

function noAnswer(url: string, reason: string, cause?: unknown): ConnectionFailed {
  const error = new ConnectionFailed(`No answer from ${url}: ${reason}`);
  return cause === undefined ? error : Object.assign(error, { cause });
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message || cause.name : String(cause);
}

/** Returns whether the same request may succeed soon. */
function mayPassSoon(failure: unknown, isRepeatable: boolean): boolean {
  if (failure instanceof ConnectionFailed) return isRepeatable || wasNotSent(failure);
  if (!(failure instanceof ApiError)) return false;
  if (failure.status === 429) return !CROWDED.includes(failure.code);
  const isAway = [502, 503, 504].includes(failure.status) || failure.code === "idempotency_key_in_use";
  return isRepeatable && (isAway || (failure instanceof ServerError && failure.retryAfter !== undefined));
}

function wasNotSent(failure: ConnectionFailed): boolean {
  const cause = (failure.cause as { cause?: { code?: string } } | undefined)?.cause;
  return NOT_SENT.includes(cause?.code ?? "");
}
