import { useEffect, useState } from "preact/hooks";
import { api, bodyOf, type Image, type Schemas } from "../api/client";
import { useAction } from "../parts/action";
import { Failure } from "../parts/failure";
import { sizesOf } from "../parts/image-row";
import { ImageThumbnail } from "../parts/thumbnail";
import { deleteImage, images, resets } from "../state/images";
import { fill, formatDate, texts } from "../texts";

type Status = Schemas["ImageStatus"];
type ImagePage = Schemas["ImagePage"];
const STATUSES: readonly Status[] = ["completed", "processing", "pending", "failed"];
const PER_PAGE = 24;
const DELETED_AT_A_TIME = 4;

/** All images in pages, newest first. */
export function History() {
  const t = texts().history;
  const [status, setStatus] = useState<Status | "">("");
  const [number, setNumber] = useState(1);
  const [page, setPage] = useState<ImagePage>();
  const [error, setError] = useState<unknown>();
  const [chosen, setChosen] = useState<ReadonlySet<number>>();
  const load = (): void => {
    setError(undefined);
    const query = { page: number, per_page: PER_PAGE, ...(status && { status }) };
    bodyOf(api.GET("/api/images", { params: { query } })).then(setPage, setError);
  };
  useEffect(load, [status, number, resets.value]);
  const removal = useAction(async () => {
    await deleteAll([...(chosen ?? [])]);
    setChosen(undefined);
    load();
  });
  const remove = (): void => {
    if (window.confirm(fill(t.confirm, { n: chosen?.size ?? 0 }))) removal.run();
  };
  const toggle = (id: number): void => {
    const changed = new Set(chosen);
    if (!changed.delete(id)) changed.add(id);
    setChosen(changed);
  };
  return (
    <>
      <div class="row spread">
        <h1>{t.title}</h1>
        <div class="row">
          <label class="row">
            <span>{t.filter}</span>
            <select
              value={status}
              onChange={(event) => {
                setNumber(1);
                setStatus(event.currentTarget.value as Status | "");
              }}
            >
              <option value="">{t.all}</option>
              {STATUSES.map((each) => (
                <option key={each} value={each}>
                  {t.status[each]}
                </option>
              ))}
            </select>
          </label>
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
      <Failure error={error} onRetry={load} />
      {page?.data.length === 0 && <p class="quiet">{t.empty}</p>}
      <ul class="grid" aria-busy={!page}>
        {page?.data.map((image) => (
          <Tile
            key={image.id}
            image={images.value.get(image.id) ?? image}
            {...(chosen && { isChosen: chosen.has(image.id), onToggle: () => toggle(image.id) })}
          />
        ))}
      </ul>
      {page && <Pages page={page} onChange={setNumber} />}
    </>
  );
}

interface TileProps {
  image: Image;
  isChosen?: boolean;
  onToggle?: () => void;
}

function Tile({ image, isChosen, onToggle }: TileProps) {
  const t = texts();
  const name = image.original_filename;
  return (
    <li class="tile">
      <a href={`/console/images/${image.id}`} aria-label={fill(t.history.open, { name })}>
        <ImageThumbnail image={image} />
      </a>
      <p class="name">{name}</p>
      <p class="quiet">
        {image.status === "completed" ? sizesOf(image) : t.history.status[image.status]}
        <br />
        {formatDate(image.created_at, true)}
      </p>
      {onToggle ? (
        <label class="tick">
          <input
            type="checkbox"
            checked={!!isChosen}
            onChange={onToggle}
            aria-label={fill(t.history.pick, { name })}
          />
        </label>
      ) : (
        image.download_url && (
          <a class="button" href={image.download_url} download>
            {t.upscale.download}
            <span class="only-heard"> {name}</span>
          </a>
        )
      )}
    </li>
  );
}

function Pages({ page, onChange }: { page: ImagePage; onChange: (number: number) => void }) {
  const t = texts().history;
  const { current_page: now, last_page: last } = page.meta;
  if (last <= 1) return null;
  return (
    <nav class="row" aria-label={t.pages}>
      <button disabled={now <= 1} onClick={() => onChange(now - 1)}>
        {t.earlier}
      </button>
      <span>{fill(t.page, { n: now, of: last })}</span>
      <button disabled={now >= last} onClick={() => onChange(now + 1)}>
        {t.later}
      </button>
    </nav>
  );
}

async function deleteAll(ids: number[]): Promise<void> {
  const rest = [...ids];
  const work = async (): Promise<void> => {
    for (let id = rest.pop(); id !== undefined; id = rest.pop()) await deleteImage(id);
  };
  await Promise.all(Array.from({ length: DELETED_AT_A_TIME }, work));
}
