/** The images that pages show. They come from the API, and events keep them up to date. */
import { computed, signal } from "@preact/signals";
import { api, bodyOf, type Image } from "../api/client";
import { followEvents, type StreamEvent } from "../api/events";
import { noteBatch, noteBatchGone } from "./batches";

export const images = signal<ReadonlyMap<number, Image>>(new Map());
/** Counts the times at which lists must be read anew. */
export const resets = signal(0);
const RECENT = 24;

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
  const page = await bodyOf(api.GET("/api/images", { params: { query: { per_page: RECENT } } }));
  images.value = new Map(page.data.map((image) => [image.id, image]));
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

export function apply(event: StreamEvent): void {
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
  return followEvents(apply, onRefused);
}
