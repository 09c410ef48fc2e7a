/** How far a download is, and how it goes on (RFC 9110, section 14). */
import { DownloadFailed } from "./errors.js";

/** Answers of a store to a link that has expired: a new link works. */
export const EXPIRED = [401, 403];

/** The bytes that are there, and what is known of all of them. */
export class Progress {
  done = 0;
  total: number | undefined;
  /** The media type of the result. */
  type = "";
  isComplete = false;
  /** The entity tag, by which a changed object is noticed. */
  #tag = "";

  /** Returns the headers that ask for the rest. */
  headers(): Record<string, string> {
    const plain = { "Accept-Encoding": "identity" };
    if (!this.done) return plain;
    return { ...plain, Range: `bytes=${this.done}-`, ...(this.#tag ? { "If-Range": this.#tag } : {}) };
  }

  /** Takes note of an answer, and returns how many of its bytes are there already. */
  begin(status: number, headers: Headers): number {
    if (status !== 200 && status !== 206) {
      const isTemporary = status >= 500 || status === 429 || EXPIRED.includes(status);
      throw new DownloadFailed(`The store answered ${status}.`, isTemporary, status);
    }
    const tag = headers.get("etag") ?? "";
    const found = status === 206 ? /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get("content-range") ?? "") : null;
    const start = Number(found?.[1] ?? (status === 206 ? this.done : 0)); // pages may not see the range
    const length = headers.get("content-length") ?? "";
    const total = found ? Number(found[2]) : /^\d+$/.test(length) ? start + Number(length) : undefined;
    if (this.done && (start > this.done || tag !== this.#tag || total !== this.total)) {
      throw new DownloadFailed("The result was replaced while it was downloaded.");
    }
    this.#tag = tag;
    this.total = total;
    this.type = headers.get("content-type") ?? "";
    return this.done - start;
  }

  /** Takes note of the end of an answer. Throws a temporary `DownloadFailed` if bytes are missing. */
  finish(): void {
    if (this.total !== undefined && this.done !== this.total) {
      const isShort = this.done < this.total;
      throw new DownloadFailed(`${this.done} of ${this.total} bytes arrived.`, isShort);
    }
    this.isComplete = true;
  }
}
