/**
 * Which server is used, and as whom.
 *
 * The first of these counts: what the caller gives and, in Node, the environment (`LOUPE_URL`,
 * `LOUPE_TOKEN`), the profile that `loupe login` has written, and a Loupe that `make up` runs in this clone.
 */
import { InvalidInput, NotConfigured } from "./errors.js";
import { environment, storedServer } from "#platform";

/** A Loupe, and the token to use it with. */
export interface Server {
  /** Its address without a path, such as `https://loupe.example.com`. */
  url: string;
  token: string;
}

/** Returns the server to use. Throws `NotConfigured` if none is known. */
export function findServer(url?: string, token?: string): Server {
  const variables = environment();
  const given = url ?? (variables["LOUPE_URL"] || undefined);
  if (given !== undefined) {
    const address = checked(given);
    return { url: address, token: token ?? (variables["LOUPE_TOKEN"] || storedTokenFor(address, url)) };
  }
  const stored = storedServer();
  if (!stored)
    throw new NotConfigured("No server is known. Give `url` and `token`, or set LOUPE_URL and LOUPE_TOKEN.");
  return { url: checked(stored.url), token: token ?? (variables["LOUPE_TOKEN"] || stored.token) };
}

/** Returns the stored token, which is only sent to the server that it was stored for. */
function storedTokenFor(address: string, url: string | undefined): string {
  if (url === undefined) return "";
  const stored = storedServer();
  return stored?.url === address ? stored.token : "";
}

/** Returns an address without its trailing slash and without `/api`. Throws `InvalidInput` if it is none. */
function checked(url: string): string {
  const text = url
    .trim()
    .replace(/\/+$/, "")
    .replace(/\/api$/, "")
    .replace(/\/+$/, "");
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
    throw new InvalidInput(`"${url}" is no address of a server. It begins with https:// or http://.`);
  }
  return text;
}
