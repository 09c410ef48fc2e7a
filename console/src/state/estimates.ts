/** The API's estimates for the chosen pictures before they are sent. Pictures of one size and format share one. */
import { computed, effect, signal } from "@preact/signals";
import { api, ApiError, bodyOf, type Schemas } from "../api/client";
import { FORMATS } from "../api/formats";
import { type Options, options, toFields } from "./options";
import { chosen, type Upload } from "./uploads";

export type Estimate = Schemas["Estimate"];

/** Every answer counts as a request, so pictures of further sizes are sent without one. */
const MOST_ANSWERS = 12;
const PAUSE_MS = 300;

export const estimates = signal<ReadonlyMap<string, Estimate>>(new Map());

/** Returns what pictures have in common that share an answer, or undefined while the size is not known. */
export function kindOf({ size, file }: Pick<Upload, "size" | "file">): string | undefined {
  if (!size) return undefined;
  const isKnown = FORMATS.some(({ mediaType, isRead }) => isRead && mediaType === file.type);
  return `${size.width} ${size.height} ${isKnown ? file.type.replace("image/", "") : ""}`;
}

export function estimateOf(upload: Upload): Estimate | undefined {
  return estimates.value.get(kindOf(upload) ?? "");
}

/** One text, so that the answers are asked for again only if something has changed. */
const kinds = computed(() => [...new Set(chosen.value.map(kindOf))].filter(Boolean).join("\n"));

let asked = 0;
effect(() => {
  const wanted = kinds.value.split("\n").filter(Boolean).slice(0, MOST_ANSWERS);
  const fields = options.value;
  const question = ++asked;
  window.setTimeout(() => {
    if (question !== asked) return; // the person still chooses
    void Promise.all(wanted.map((kind) => ask(kind, fields))).then((answers) => {
      if (question === asked) estimates.value = new Map(answers.filter((answer) => answer !== undefined));
    });
  }, PAUSE_MS);
});

async function ask(kind: string, chosenOptions: Options): Promise<[string, Estimate] | undefined> {
  const [width, height, format] = kind.split(" ");
  const body = { width, height, ...(format && { format }), ...toFields(chosenOptions) };
  const call = api.POST("/api/estimate", { body: body as unknown as Schemas["EstimateRequest"] }); // numbers as texts
  return bodyOf(call).then((answer): [string, Estimate] => [kind, answer.data], () => undefined);
}

/** The API's refusals of the options, for the fields that show them. */
export const refusedOptions = computed(() => {
  const errors = [...estimates.value.values()].flatMap((each) => each.refusals).map((each) => each.errors);
  const fields: Record<string, string[]> = Object.assign({}, ...errors);
  return Object.keys(fields).length > 0 ? new ApiError(422, "validation_failed", "", fields) : undefined;
});

/** Shortest and longest time of one picture in seconds, or undefined while nothing is known. */
export function secondsOf(found: readonly Estimate[]): { low: number; high: number } | undefined {
  const likely = found.flatMap(({ seconds }) => (seconds ? [seconds.likely] : []));
  return likely.length > 0 ? { low: Math.min(...likely), high: Math.max(...likely) } : undefined;
}
