/** The images that pages show. They come from the API, and events keep them up to date. */
import { computed, signal } from "@preact/signals";
import { api, bodyOf, type Image } from "../api/client";
import { followEvents, type StreamEvent } from "../api/events";
import { noteBatch, noteBatchGone } from "./batches";

export const images = signal<ReadonlyMap<number, Image>>(new Map());
/** Counts the times at which lists must be read anew. */
export const resets = signal(0);
/** True while images change and no events arrive, as without the broker. The list is then read again and again. */
export const isUninformed = signal(false);
const RECENT = 24;
const SHORTEST_SILENCE_MS = 5000;
const LONGEST_SILENCE_MS = 60_000;

export const newestFirst = computed(() => [...images.value.values()].sort((one, other) => other.id - one.id));

export function put(...found: readonly Image[]): void {
  const changed = new Map(images.value);
  for (const image of found) changed.set(image.id, image);
  images.value = changed;
}

export function drop(...ids: readonly number[]): void {
  const changed = new Map(images.value);
  for (const id of ids) changed.delete(id);
  images.value = changed;
}

export function clear(): void {
  images.value = new Map();
}

export async function loadRecent(): Promise<void> {
  images.value = new Map((await readRecent()).map((image) => [image.id, image]));
}

async function readRecent(): Promise<readonly Image[]> {
  return (await bodyOf(api.GET("/api/images", { params: { query: { per_page: RECENT } } }))).data;
}

export async function loadImage(id: number): Promise<Image> {
  const found = (await bodyOf(api.GET("/api/images/{image_id}", { params: { path: { image_id: id } } }))).data;
  put(found);
  return found;
}

export async function deleteImage(id: number): Promise<void> {
  await bodyOf(api.DELETE("/api/images/{image_id}", { params: { path: { image_id: id } } }));
  drop(id);
}

export async function retryImage(id: number): Promise<void> {
  put((await bodyOf(api.POST("/api/images/{image_id}/retry", { params: { path: { image_id: id } } }))).data);
}

let heardAt = 0;

export function apply(event: StreamEvent): void {
  if (event.type !== "reset") {
    heardAt = Date.now();
    isUninformed.value = false;
  }
  if (event.type === "reset") {
    resets.value += 1;
    loadRecent().catch(() => undefined); // the next reset tries again
  } else if ("deleted" in event.data) {
    const { id } = event.data;
    if (event.type.startsWith("batch.")) noteBatchGone(id);
    else drop(id);
  } else if ("total_images" in event.data) {
    noteBatch(event.data);
  } else {
    put(event.data);
  }
}

/** Follows what happens to the user's images, until the returned function is called. */
export function follow(onRefused: () => void): () => void {
  const stopEvents = followEvents(apply, onRefused);
  const stopReading = readInSilence();
  return () => {
    stopEvents();
    stopReading();
  };
}

/** Reads the images again when one is under way and no event has come for a while. Returns how to stop that. */
function readInSilence(): () => void {
  let pause = SHORTEST_SILENCE_MS;
  let isStopped = false;
  let timer = window.setTimeout(look, pause);
  async function look(): Promise<void> {
    const isSilent = Date.now() - heardAt >= SHORTEST_SILENCE_MS;
    if (isSilent && !document.hidden && newestFirst.value.some(isUnderWay)) {
      const found = await readRecent().catch(() => []);
      if (isStopped) return; // they are those of a user who has signed out
      const news = found.filter(({ id, status }) => (images.value.get(id)?.status ?? status) !== status);
      if (news.length > 0) isUninformed.value = true;
      put(...found);
      pause = news.length > 0 ? SHORTEST_SILENCE_MS : Math.min(2 * pause, LONGEST_SILENCE_MS);
    } else {
      pause = SHORTEST_SILENCE_MS;
    }
    timer = window.setTimeout(look, pause);
  }
  return () => {
    isStopped = true;
    isUninformed.value = false;
    window.clearTimeout(timer);
  };
}

function isUnderWay({ status }: Image): boolean {
  return status === "pending" || status === "processing";
}
