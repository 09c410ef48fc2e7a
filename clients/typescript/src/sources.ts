/** The sources of a picture's bytes: a path, a link that the server fetches, bytes, or a stream. */
import { InvalidInput } from "./errors.js";
import { openFile } from "#platform";

/**
 * A path in Node, a link that begins with `http://` or `https://`, a file or blob, bytes, or a stream.
 *
 * A file at a path is read while it is sent. A stream is read to its end first, because retries need it.
 */
export type Source =
  string | URL | Blob | ArrayBuffer | Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

/** A picture that can be sent more than once. */
export interface Upload {
  name: string;
  content: Blob;
}

/** Returns the link that the server shall fetch itself; undefined for any other source. */
export function linkOf(source: Source): string | undefined {
  const isText = typeof source === "string" || source instanceof URL;
  return isText && /^https?:\/\//.test(String(source)) ? String(source) : undefined;
}

/** Returns the picture of a source. Rejects with `InvalidInput` if there is none. */
export async function uploadOf(source: Source, name?: string): Promise<Upload> {
  if (typeof source === "string" || source instanceof URL) {
    const file = await openFile(source);
    return { name: name ?? file.name, content: file.content };
  }
  if (source instanceof Blob) {
    const own = "name" in source ? String(source.name) : "";
    return { name: name || own || "image", content: source };
  }
  return { name: name ?? "image", content: await contentOf(source) };
}

async function contentOf(source: Exclude<Source, string | URL | Blob>): Promise<Blob> {
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return new Blob([source as BlobPart]);
  if (source instanceof ReadableStream) return new Response(source as ReadableStream<BufferSource>).blob();
  if (typeof source !== "object" || !source || !(Symbol.asyncIterator in source)) {
    throw new InvalidInput("A picture is a path, a link, a Blob, bytes, or a stream of bytes.");
  }
  const chunks: BlobPart[] = [];
  for await (const chunk of source) chunks.push(chunk as BlobPart);
  return new Blob(chunks);
}
