/** Bounds the time of something that can be aborted. */

/** A signal that is aborted after some milliseconds, or together with the signal of the caller. */
export class Limit {
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `expired` makes the error that the time being up is. Without `ms` there is no end. */
  constructor(
    private readonly ms: number | undefined,
    private readonly outer: AbortSignal | undefined,
    private readonly expired: () => Error,
  ) {
    if (outer?.aborted) this.abort();
    else outer?.addEventListener("abort", this.abort, { once: true });
    this.restart();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Begins the time anew, because something was heard. */
  restart(): void {
    clearTimeout(this.#timer);
    if (this.ms !== undefined && !this.signal.aborted) {
      this.#timer = setTimeout(() => this.#controller.abort(this.expired()), this.ms);
    }
  }

  /** Ends the time, and whatever still uses the signal. */
  end(): void {
    clearTimeout(this.#timer);
    this.outer?.removeEventListener("abort", this.abort);
    this.#controller.abort();
  }

  private readonly abort = (): void => this.#controller.abort(this.outer?.reason);
}
