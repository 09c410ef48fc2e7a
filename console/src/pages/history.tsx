import { useState } from "preact/hooks";
import { api, bodyOf, type Schemas } from "../api/client";
import { confirmed, useAction } from "../parts/action";
import { Filter } from "../parts/choice";
import { Failure } from "../parts/failure";
import { ImageRow } from "../parts/image-row";
import { ImageTile } from "../parts/image-tile";
import { Pages, usePaged } from "../parts/paged";
import { Tabs } from "../parts/tabs";
import { deleteImage, images } from "../state/images";
import { fill, texts } from "../texts";

type Status = Schemas["ImageStatus"];
const DELETED_AT_A_TIME = 4;
const VIEW = "loupe.history";

/** The place for what is past: pictures and batches. */
export function HistoryTabs() {
  const t = texts();
  return (
    <Tabs
      label={t.places.history}
      pages={[
        ["/console/history", t.history.pictures],
        ["/console/batches", t.batches.title],
      ]}
    />
  );
}

/** All images in pages, newest first. */
export function History() {
  const t = texts().history;
  const [status, setStatus] = useState<Status | "">("");
  const { page, error, reload, turnTo } = usePaged(
    (query) => bodyOf(api.GET("/api/images", { params: { query: { ...query, ...(status && { status }) } } })),
    status,
  );
  const [isList, setIsList] = useState(localStorage.getItem(VIEW) === "list");
  const [chosen, setChosen] = useState<ReadonlySet<number>>();
  const removal = useAction(async () => {
    await deleteAll([...(chosen ?? [])]);
    setChosen(undefined);
    reload();
  });
  const remove = confirmed(fill(t.confirm, { n: chosen?.size ?? 0 }), removal.run);
  const changeView = (): void => {
    localStorage.setItem(VIEW, isList ? "grid" : "list");
    setIsList(!isList);
  };
  const toggle = (id: number): void => {
    const changed = new Set(chosen);
    if (!changed.delete(id)) changed.add(id);
    setChosen(changed);
  };
  return (
    <>
      <HistoryTabs />
      <div class="row spread">
        <h1>{t.title}</h1>
        <div class="row">
          <Filter titles={t.status} value={status} onChange={setStatus} />
          <button aria-pressed={isList} disabled={!!chosen} onClick={changeView}>
            {t.list}
          </button>
          <button aria-pressed={!!chosen} onClick={() => setChosen(chosen ? undefined : new Set())}>
            {chosen ? t.done : t.select}
          </button>
        </div>
      </div>
      {chosen && (
        <div class="row" role="status">
          <p>{fill(t.selected, { n: chosen.size })}</p>
          <button class="danger" disabled={chosen.size === 0 || removal.isRunning} onClick={remove}>
            {fill(t.deleteThem, { n: chosen.size })}
          </button>
        </div>
      )}
      <Failure error={removal.error} />
      <Failure error={error} onRetry={reload} />
      {page?.data.length === 0 && <p class="quiet">{t.empty}</p>}
      <ul class={isList && !chosen ? "work" : "grid"} aria-busy={!page}>
        {page?.data.map((each) => {
          const image = images.value.get(each.id) ?? each;
          if (isList && !chosen) return <ImageRow key={image.id} image={image} />;
          const choice = chosen && { isChosen: chosen.has(image.id), onToggle: () => toggle(image.id) };
          return <ImageTile key={image.id} image={image} {...choice} />;
        })}
      </ul>
      <Pages page={page} onTurn={turnTo} />
    </>
  );
}

async function deleteAll(ids: number[]): Promise<void> {
  const rest = [...ids];
  const work = async (): Promise<void> => {
    for (let id = rest.pop(); id !== undefined; id = rest.pop()) await deleteImage(id);
  };
  await Promise.all(Array.from({ length: DELETED_AT_A_TIME }, work));
}
