import { DownloadAll } from "../parts/download-all";
import { DropZone } from "../parts/drop-zone";
import { ImageRow } from "../parts/image-row";
import { OptionsForm } from "../parts/options-form";
import { QuotaLine } from "../parts/quota-line";
import { Tray } from "../parts/tray";
import { UploadRow } from "../parts/upload-row";
import { listed, refused, retry, retryable, underWay } from "../state/uploads";
import { fill, texts } from "../texts";

/** Says how many pictures are done, also to people who do not see the bars. */
function Tally() {
  const done = listed.value.filter((image) => image.status === "completed").length;
  const open = listed.value.filter((image) => ["pending", "processing"].includes(image.status)).length;
  const waiting = underWay.value.length - refused.value.length;
  return (
    <p class="quiet grow" role="status">
      {fill(texts().upscale.tally, { done, open: open + waiting })}
    </p>
  );
}

export function Upscale() {
  const t = texts().upscale;
  const isEmpty = underWay.value.length === 0 && listed.value.length === 0;
  return (
    <>
      <div class="row spread">
        <h1>{t.title}</h1>
        <QuotaLine />
      </div>
      <DropZone />
      <OptionsForm />
      <Tray />
      <section class="card" aria-labelledby="recent">
        <div class="row spread">
          <h2 id="recent">{t.recent}</h2>
          {!isEmpty && <Tally />}
          {retryable.value.length > 1 && (
            <button onClick={() => retry(...retryable.value)}>{fill(t.retryAll, { n: retryable.value.length })}</button>
          )}
          <DownloadAll images={listed.value} />
          {!isEmpty && <a href="/console/history">{t.all}</a>}
        </div>
        {isEmpty ? (
          <p class="quiet">{t.empty}</p>
        ) : (
          <ul class="work">
            {underWay.value.map((upload) => (
              <UploadRow key={`upload-${upload.key}`} upload={upload} />
            ))}
            {listed.value.map((image) => (
              <ImageRow key={`image-${image.id}`} image={image} />
            ))}
          </ul>
        )}
      </section>
    </>
  );
}
