import { api, bodyOf } from "../api/client";
import { Failure } from "../parts/failure";
import { ImageTile } from "../parts/image-tile";
import { Pages, usePaged } from "../parts/paged";
import { useRead } from "../parts/read";
import { goneBatches, loadBatch, newest } from "../state/batches";
import { images } from "../state/images";
import { texts } from "../texts";
import { BatchActions, BatchProgress, nameOf } from "./batches";

/** One batch, with its images in pages. */
export function Batch({ id = "" }: { id?: string }) {
  const t = texts();
  const number = Number(id);
  const { found: loaded, error, reload } = useRead(() => loadBatch(number), number);
  if (goneBatches.value.has(number)) {
    return (
      <>
        <h1>{t.batches.gone}</h1>
        <a href="/console/batches">{t.batches.all}</a>
      </>
    );
  }
  if (error && !loaded) return <Failure error={error} onRetry={reload} />;
  if (!loaded) return <p aria-busy="true">{t.loading}</p>;
  const batch = newest(loaded);
  return (
    <>
      <a class="button plain back" href="/console/batches">
        ← {t.batches.all}
      </a>
      <h1>{nameOf(batch)}</h1>
      <section class="card stack">
        <BatchProgress batch={batch} />
        <BatchActions batch={batch} />
      </section>
      <Images id={number} state={batch.status} />
    </>
  );
}

/** Reads the images again when the state of their batch changes. In between, events bring what is new. */
function Images({ id, state }: { id: number; state: string }) {
  const { page, error, reload, turnTo } = usePaged(
    (query) => bodyOf(api.GET("/api/batches/{batch_id}/images", { params: { path: { batch_id: id }, query } })),
    String(id),
    state,
  );
  return (
    <>
      <Failure error={error} onRetry={reload} />
      <ul class="grid" aria-busy={!page}>
        {page?.data.map((image) => (
          <ImageTile key={image.id} image={images.value.get(image.id) ?? image} />
        ))}
      </ul>
      <Pages page={page} onTurn={turnTo} />
    </>
  );
}
