/** Batches as events have described them. Lists come from the API, and show the newer of both. */
import { signal } from "@preact/signals";
import { api, bodyOf, type Schemas } from "../api/client";

export type Batch = Schemas["Batch"];
/** A batch in an event has no images. */
export type BatchState = Omit<Batch, "images">;

export const batchStates = signal<ReadonlyMap<number, BatchState>>(new Map());
/** Batches that are gone. */
export const goneBatches = signal<ReadonlySet<number>>(new Set());

export function noteBatch(state: BatchState): void {
  batchStates.value = new Map(batchStates.value).set(state.id, state);
}

export function noteBatchGone(id: number): void {
  goneBatches.value = new Set(goneBatches.value).add(id);
}

/** Returns the batch as the newer of the answer and the last event has it. */
export function newest<Found extends BatchState>(batch: Found): Found {
  const state = batchStates.value.get(batch.id);
  return state && state.updated_at >= batch.updated_at ? { ...batch, ...state } : batch;
}

const byId = (id: number) => ({ params: { path: { batch_id: id } } });

export async function loadBatch(id: number): Promise<Batch> {
  return (await bodyOf(api.GET("/api/batches/{batch_id}", byId(id)))).data;
}

export async function retryBatch(id: number): Promise<void> {
  noteBatch((await bodyOf(api.POST("/api/batches/{batch_id}/retry", byId(id)))).data);
}

/** Cancels a batch that has not ended, or else deletes it with its images. */
export async function endBatch(batch: BatchState): Promise<void> {
  await bodyOf(api.DELETE("/api/batches/{batch_id}", byId(batch.id)));
  if (batch.completed_at) noteBatchGone(batch.id);
  else noteBatch(await loadBatch(batch.id));
}

export function archiveOf(id: number): string {
  return `/api/batches/${id}/archive`;
}
