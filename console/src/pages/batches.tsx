import { api, bodyOf } from "../api/client";
import { confirmed, useAction } from "../parts/action";
import { Failure } from "../parts/failure";
import { Pages, usePaged } from "../parts/paged";
import { archiveOf, type Batch, type BatchState, endBatch, goneBatches, newest, retryBatch } from "../state/batches";
import { fill, formatDate, texts } from "../texts";
import { HistoryTabs } from "./history";

/** All batches in pages, newest first. */
export function Batches() {
  const t = texts().batches;
  const { page, error, reload, turnTo } = usePaged((query) =>
    bodyOf(api.GET("/api/batches", { params: { query } })),
  );
  const found = page?.data.filter((batch) => !goneBatches.value.has(batch.id)).map(newest);
  return (
    <>
      <HistoryTabs />
      <h1>{t.title}</h1>
      <p class="quiet">{t.explain}</p>
      <Failure error={error} onRetry={reload} />
      {found?.length === 0 && <p class="quiet">{t.empty}</p>}
      <ul class="lines card" hidden={!found?.length} aria-busy={!page}>
        {found?.map((batch) => (
          <Line key={batch.id} batch={batch} />
        ))}
      </ul>
      <Pages page={page} onTurn={turnTo} />
    </>
  );
}

function Line({ batch }: { batch: Batch }) {
  return (
    <li>
      <div>
        <p class="name">
          <a href={`/console/batches/${batch.id}`}>{nameOf(batch)}</a>
        </p>
        <BatchProgress batch={batch} />
        <p class="quiet">{formatDate(batch.created_at, true)}</p>
      </div>
      <BatchActions batch={batch} />
    </li>
  );
}

export function nameOf(batch: BatchState): string {
  return batch.name ?? fill(texts().batches.unnamed, { n: batch.id });
}

export function BatchProgress({ batch }: { batch: BatchState }) {
  const t = texts().batches;
  const counts = { done: batch.completed_images, failed: batch.failed_images, n: batch.total_images };
  return (
    <>
      <p class={batch.failed_images ? "bad" : batch.completed_at ? "good" : ""} role="status">
        {t.status[batch.status]}: {fill(batch.failed_images ? t.countWithFailed : t.count, counts)}
      </p>
      {!batch.completed_at && <progress max={100} value={batch.progress} aria-label={nameOf(batch)} />}
    </>
  );
}

/** The actions on a batch. */
export function BatchActions({ batch }: { batch: BatchState }) {
  const t = texts().batches;
  const retry = useAction(() => retryBatch(batch.id));
  const end = useAction(() => endBatch(batch));
  const hasEnded = !!batch.completed_at;
  const question = fill(hasEnded ? t.confirmDelete : t.confirmCancel, { name: nameOf(batch) });
  const name = <span class="only-heard"> {nameOf(batch)}</span>;
  return (
    <div class="row">
      {hasEnded && batch.completed_images > 0 && (
        <a class="button main-action" href={archiveOf(batch.id)} download>
          {t.archive}
          {name}
        </a>
      )}
      {batch.failed_images > 0 && (
        <button disabled={retry.isRunning} onClick={retry.run}>
          {fill(t.retry, { n: batch.failed_images })}
          {name}
        </button>
      )}
      <a class="button" href={`/api/batches/${batch.id}/report`} download>
        {t.report}
        {name}
      </a>
      <button class="plain" disabled={end.isRunning} onClick={confirmed(question, end.run)}>
        {hasEnded ? texts().upscale.delete : texts().cancel}
        {name}
      </button>
      <Failure error={retry.error ?? end.error} />
    </div>
  );
}
