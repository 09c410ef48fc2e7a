import { useEffect, useState } from "preact/hooks";
import { api, bodyOf, type Image, type Schemas } from "../api/client";
import { Comparison } from "../compare/comparison";
import type { Source } from "../compare/pane";
import { parseSize } from "../compare/view";
import { Failure } from "../parts/failure";
import { sizesOf } from "../parts/image-row";
import { images, loadImage, resets } from "../state/images";
import { measure } from "../state/measure";
import { fill, texts } from "../texts";

/** One image: before and after, and what was done. */
export function Compare({ id = "" }: { id?: string }) {
  const t = texts();
  const [error, setError] = useState<unknown>();
  const number = Number(id);
  const load = (): void => {
    setError(undefined);
    loadImage(number).catch(setError);
  };
  useEffect(load, [number, resets.value]);
  const image = images.value.get(number);
  if (error && !image) return <Failure error={error} onRetry={load} />;
  if (!image) return <p aria-busy="true">{t.loading}</p>;
  return (
    <article class="compare">
      <div class="row heading">
        <a class="button plain" href="/console" onClick={goBack}>
          ← {t.compare.back}
        </a>
        <h1>{image.original_filename}</h1>
        {image.download_url && (
          <a class="button main-action" href={image.download_url} download>
            {t.upscale.download}
          </a>
        )}
      </div>
      <Pictures image={image} />
      <Facts image={image} />
    </article>
  );
}

/** Goes to the page from which the person came, if that is one of ours. */
function goBack(event: MouseEvent): void {
  if (window.history.length < 2) return;
  event.preventDefault();
  window.history.back();
}

/** Draws with the links of the first answer: later answers sign new ones, and nothing must load again. */
function Pictures({ image }: { image: Image }) {
  const t = texts();
  const [sources, setSources] = useState<{ before: Source; after: Source }>();
  const [error, setError] = useState<unknown>();
  const isDone = image.status === "completed";
  const load = (): void => {
    setError(undefined);
    if (isDone) sourcesOf(image).then(setSources, setError);
  };
  useEffect(load, [image.id, isDone]);
  const picture = parseSize(image.upscaled_dimensions);
  if (image.error) return <p class="notice">{image.error.message}</p>;
  if (!isDone || !picture) return <p class="notice">{t.compare.notDone}</p>;
  if (error) return <Failure error={error} onRetry={load} />;
  if (!sources) return <p aria-busy="true">{t.loading}</p>;
  return <Comparison {...sources} picture={picture} />;
}

/** The formats of which some files are animations. */
const MAY_MOVE = /\.(gif|webp|png|avif)$/i;

/** Returns the files, or the tiles of those that a browser cannot show or should not load as a whole. */
async function sourcesOf(image: Image): Promise<{ before: Source; after: Source }> {
  const pyramids = image.previews?.pyramids ?? [];
  const sourceOf = async (of: Schemas["Side"], file: string | null | undefined): Promise<Source> => {
    if (!pyramids.includes(of)) return file ?? "";
    const params = { path: { image_id: image.id }, query: { of } };
    return (await bodyOf(api.GET("/api/images/{image_id}/pyramid", { params }))).data;
  };
  const [before, after] = await Promise.all([
    sourceOf("original", image.original_url),
    sourceOf("result", image.download_url),
  ]);
  const files = [before, after].filter((each) => typeof each === "string");
  // an animation begins when it is drawn first: once both are there, they begin together and stay in step
  if (MAY_MOVE.test(image.upscaled_path ?? "")) await Promise.all(files.map(measure));
  return { before, after };
}

function Facts({ image }: { image: Image }) {
  const t = texts();
  const facts: [string, string | null | undefined][] = [
    [t.upscale.size, sizesOf(image)],
    [t.compare.file, [image.original_size_human, image.upscaled_size_human].filter(Boolean).join(" → ")],
    [t.compare.model, image.model.used && `${usedModel(image)}. ${image.model.message ?? ""}`],
    [t.compare.took, image.processing_time === null ? null : fill(t.seconds, { n: image.processing_time })],
  ];
  return (
    <dl class="facts" aria-label={t.compare.facts}>
      {facts.map(
        ([name, value]) =>
          value && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}

function usedModel({ model }: Image): string {
  const { used, strength } = model;
  return strength === null ? `${used}` : `${used}, ${fill(texts().upscale.strength, { n: strength })}`;
}
