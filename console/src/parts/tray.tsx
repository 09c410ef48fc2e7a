import { useEffect, useRef } from "preact/hooks";
import type { Schemas } from "../api/client";
import { FORMATS } from "../api/formats";
import { type Estimate, estimateOf, secondsOf } from "../state/estimates";
import { chosen, remove, send, type Upload } from "../state/uploads";
import { fill, texts } from "../texts";
import { Thumbnail } from "./thumbnail";

/** Fields beside which their faults are shown. */
const IN_OPTIONS = ["quality", "strength", "target_width", "target_height"];

/** The chosen pictures before they are sent: what becomes of each, how long it takes, and what it costs. */
export function Tray() {
  const t = texts().upscale;
  const section = useRef<HTMLElement>(null);
  const { length } = chosen.value;
  useEffect(() => {
    if (length > 0) section.current?.scrollIntoView({ block: "nearest" });
  }, [length]);
  if (length === 0) return null;
  return (
    <section ref={section} class="card tray" aria-label={t.chosen}>
      <div class="row">
        <button class="main-action" onClick={send}>
          {length === 1 ? t.sendOne : fill(t.send, { n: length })}
        </button>
        <div class="grow" role="status">
          <Forecast />
        </div>
        <button class="plain" onClick={() => chosen.value.forEach(({ key }) => remove(key))}>
          {t.clear}
        </button>
      </div>
      <ul class="work">
        {chosen.value.map((upload) => (
          <ChosenRow key={upload.key} upload={upload} />
        ))}
      </ul>
    </section>
  );
}

function Forecast() {
  const t = texts().upscale;
  const found = chosen.value.map(estimateOf).filter((each) => each !== undefined);
  const [first] = found;
  if (!first) return null;
  const seconds = secondsOf(found);
  const span = seconds && (seconds.low === seconds.high ? `${seconds.low}` : `${seconds.low}–${seconds.high}`);
  const general = first.refusals.find((refusal) => !refusal.errors);
  return (
    <>
      <p class="quiet">
        {span && fill(chosen.value.length === 1 ? t.takes : t.takesEach, { n: span })}
        {span && " · "}
        {leftAfter(first.quota, chosen.value.length)}
      </p>
      {general && <p class="bad">{general.message}</p>}
    </>
  );
}

function leftAfter({ used, limit }: Schemas["EstimatedQuota"], count: number): string {
  const t = texts().upscale;
  if (limit === null) return t.noLimit;
  const left = limit - used;
  return left < count ? fill(t.tooMany, { left, n: count }) : fill(t.leaves, { n: left - count, limit });
}

function ChosenRow({ upload }: { upload: Upload }) {
  const t = texts().upscale;
  const estimate = estimateOf(upload);
  const problems = (estimate?.refusals ?? []).flatMap(({ errors }) => Object.entries(errors ?? {}));
  const ofPicture = problems.filter(([name]) => !IN_OPTIONS.includes(name)).flatMap(([, sentences]) => sentences);
  return (
    <li>
      <Thumbnail source={upload.preview} name={upload.file.name} />
      <div class="about">
        <p class="name">{upload.file.name}</p>
        <p class="quiet">{sizesOf(upload, estimate)}</p>
        {ofPicture.length > 0 && <p class="bad">{ofPicture.join(" ")}</p>}
      </div>
      <div class="row">
        <button class="plain" onClick={() => remove(upload.key)}>
          {t.remove}
          <span class="only-heard"> {upload.file.name}</span>
        </button>
      </div>
    </li>
  );
}

/** The suffixes of formats that Loupe reads and many browsers do not. */
const UNSEEN = FORMATS.filter(({ isForBrowsers }) => !isForBrowsers).flatMap(({ suffixes }) => suffixes);

function sizesOf({ size, file }: Upload, estimate: Estimate | undefined): string {
  const t = texts().upscale;
  if (size === undefined) return "…";
  if (size === null) return UNSEEN.some((suffix) => file.name.toLowerCase().endsWith(suffix)) ? t.unseen : t.unknown;
  const from = shown(size);
  return estimate?.result ? `${from} → ${shown(estimate.result)}` : from;
}

/** Spaces that do not break keep a size on one line. */
function shown({ width, height }: { width: number; height: number }): string {
  return `${width}\u00a0×\u00a0${height}`;
}
