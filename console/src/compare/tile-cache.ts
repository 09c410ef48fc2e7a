/** Fetches tiles of pyramids and keeps the last ones: panes and lenses often show the same. */
import type { Pyramid, Tile } from "./tiles";

/** A tile takes up to a megabyte. */
const MOST_TILES = 128;
const AT_A_TIME = 6;

const cached = new Map<string, Promise<ImageBitmap>>();
const waiting: (() => void)[] = [];
let running = 0;

/** Returns a tile. Rejects if the store does not give it. */
export function loadTile(pyramid: Pyramid, tile: Tile): Promise<ImageBitmap> {
  const key = `${pyramid.url} ${tile.offset}`;
  const found = cached.get(key) ?? fetchTile(pyramid.url, tile);
  found.catch(() => cached.delete(key));
  cached.delete(key); // the last one that was used goes to the end
  cached.set(key, found);
  for (const oldest of cached.keys()) {
    if (cached.size <= MOST_TILES) break;
    cached.delete(oldest);
  }
  return found;
}

async function fetchTile(url: string, { offset, bytes }: Tile): Promise<ImageBitmap> {
  if (running >= AT_A_TIME) await new Promise<void>((resolve) => waiting.push(resolve));
  running += 1;
  try {
    const answer = await fetch(url, { headers: { Range: `bytes=${offset}-${offset + bytes - 1}` } });
    if (answer.status !== 206) throw new Error(`no tile: ${answer.status}`);
    return await createImageBitmap(await answer.blob());
  } finally {
    running -= 1;
    waiting.pop()?.(); // the newest first: it is visible now
  }
}
