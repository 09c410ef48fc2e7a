/** Reads lists of the API page by page. */
import type { Query, Transport } from "./transport.js";

/** The entries of a list to return. */
export interface Listing {
  status?: string;
  /** How many entries one request brings, 1 to 100. */
  perPage?: number;
  signal?: AbortSignal;
}

/** Yields all entries, the newest first, and reads pages as they are needed. */
export async function* pages<Entry>(
  transport: Transport,
  path: string,
  { status, perPage = 100, signal }: Listing = {},
  more: Query = {},
): AsyncGenerator<Entry, void, undefined> {
  for (let page: number | undefined = 1; page;) {
    const query: Query = { ...more, status, page, per_page: perPage };
    const { data, links } = await transport.send<Entry[]>("GET", path, { query, signal });
    yield* data;
    page = links.next ? page + 1 : undefined;
  }
}
