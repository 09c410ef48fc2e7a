/** The files that a person has chosen and that the API has not accepted yet. A few are sent at a time. */
import { computed, signal } from "@preact/signals";
import { ApiError, type Image, UNREACHABLE } from "../api/client";
import { GONE, isTooLarge, sendFile, type Sending, TOO_LARGE } from "../api/upload";
import { loadImage, newestFirst } from "./images";
import { measure, type Size } from "./measure";
import { options, toFields } from "./options";

const AT_A_TIME = 3;
/** The pause after the first failed try. Each further one is twice as long. */
const AGAIN_SECONDS = 3;
const MOST_TRIES = 6;
const LATER_STATUSES = [0, 502, 503, 504];
const LATER_CODES = ["too_many_requests", "idempotency_key_in_use"];
const QUOTA_GONE = "quota_exceeded";

export interface Upload {
  key: number;
  file: File;
  /** An address of the file for this page. */
  preview: string;
  /** Null if the browser cannot read the file, undefined until it has tried. */
  size?: Size | null;
  state: "chosen" | "waiting" | "sending" | "refused" | "paused";
  /** The options with which it is sent, and the key by which the API knows a repeat. */
  fields: Record<string, string>;
  idempotencyKey: string;
  tries: number;
  percent: number;
  error?: ApiError | undefined;
}

export const uploads = signal<readonly Upload[]>([]);
export const chosen = computed(() => uploads.value.filter((upload) => upload.state === "chosen"));
export const underWay = computed(() => uploads.value.filter((upload) => upload.state !== "chosen"));
export const refused = computed(() => uploads.value.filter((upload) => upload.state === "refused"));
export const retryable = computed(() => refused.value.filter(mayRetry));
/** Previews of files that were sent from this page, by the id of their image. */
export const previews = signal<ReadonlyMap<number, string>>(new Map());

/** The images to list. One whose upload is not answered yet is listed as that upload. */
export const listed = computed(() => {
  const sent = new Set(underWay.value.filter((each) => each.state === "sending").map((each) => each.file.name));
  const isUpload = ({ id, status, original_filename: name }: Image): boolean =>
    sent.has(name) && !previews.value.has(id) && (status === "pending" || status === "processing");
  return newestFirst.value.filter((image) => !isUpload(image));
});

const sendings = new Map<number, Sending>();
let nextKey = 1;
let timer: number | undefined;

window.addEventListener("online", resume);
window.addEventListener("beforeunload", (event) => {
  if (uploads.value.some(({ state }) => state !== "refused")) event.preventDefault(); // the browser asks
});

/** Adds files to those that `send` sends. A file that is too large is refused at once. */
export function add(files: Iterable<File>): void {
  const added = [...files].map((file): Upload => ({
    key: nextKey++,
    file,
    preview: URL.createObjectURL(file),
    state: isTooLarge(file) ? "refused" : "chosen",
    fields: {},
    idempotencyKey: "",
    tries: 0,
    percent: 0,
    error: isTooLarge(file) ? new ApiError(0, TOO_LARGE, "") : undefined,
  }));
  uploads.value = [...uploads.value, ...added];
  void measureEach(added.filter((each) => each.state === "chosen"));
}

async function measureEach(added: readonly Upload[]): Promise<void> {
  for (const { key, preview } of added) change(key, { size: await measure(preview) });
}

/** Sends what is chosen, with the options of now. */
export function send(): void {
  start(chosen.value);
}

/** Returns whether a refused file may be accepted later: a smaller file, or one that is there, is another file. */
export function mayRetry({ error }: Upload): boolean {
  return error?.code !== TOO_LARGE && error?.code !== GONE;
}

/** Sends refused files again, with the options of now. */
export function retry(...again: readonly Upload[]): void {
  start(again);
}

function start(some: readonly Upload[]): void {
  const keys = new Set(some.map((each) => each.key));
  const fields = toFields(options.value);
  uploads.value = uploads.value.map((each) =>
    keys.has(each.key)
      ? { ...each, ...READY, fields, idempotencyKey: crypto.randomUUID(), tries: 0 }
      : each,
  );
  sendNext();
}

const READY = { state: "waiting", percent: 0, error: undefined } as const;

export function remove(key: number): void {
  sendings.get(key)?.stop();
  const removed = uploads.value.find((each) => each.key === key);
  if (removed) URL.revokeObjectURL(removed.preview);
  uploads.value = uploads.value.filter((each) => each.key !== key);
}

/** Forgets all files and previews: they belong to the person who signed out. */
export function forgetUploads(): void {
  uploads.value.forEach(({ key }) => remove(key));
  previews.value.forEach((address) => URL.revokeObjectURL(address));
  previews.value = new Map();
}

/** Goes on with the files that waited for the sign-in, the connection or the server. */
export function resume(): void {
  window.clearTimeout(timer);
  timer = undefined;
  uploads.value = uploads.value.map((each) => (each.state === "paused" ? { ...each, ...READY } : each));
  sendNext();
}

function change(key: number, changed: Partial<Upload>): void {
  uploads.value = uploads.value.map((each) => (each.key === key ? { ...each, ...changed } : each));
}

/** Sends the next file, unless enough are being sent, or one of them waits for a better time. */
function sendNext(): void {
  const next = uploads.value.find((each) => each.state === "waiting");
  const isHeld = uploads.value.some((each) => each.state === "paused");
  if (!next || isHeld || sendings.size >= AT_A_TIME) return;
  change(next.key, { state: "sending", percent: 0 });
  const sending = sendFile(next, (percent) => change(next.key, { percent }));
  sendings.set(next.key, sending);
  void finish(next, sending).finally(() => {
    sendings.delete(next.key);
    sendNext();
  });
  sendNext();
}

async function finish(upload: Upload, sending: Sending): Promise<void> {
  try {
    const accepted = await sending.accepted;
    previews.value = new Map(previews.value).set(accepted.id, upload.preview);
    await loadImage(accepted.id).catch(() => undefined); // the next event brings it
    uploads.value = uploads.value.filter((each) => each.key !== upload.key);
  } catch (caught) {
    const error = caught instanceof ApiError ? caught : new ApiError(0, UNREACHABLE, String(caught));
    if (error.code !== "stopped") await stopped(upload, error);
  }
}

/** Decides what becomes of a file that was not accepted. */
async function stopped(upload: Upload, error: ApiError): Promise<void> {
  if (!(await isReadable(upload.file))) {
    change(upload.key, { state: "refused", error: new ApiError(0, GONE, "") });
  } else if (error.isSignedOut) {
    change(upload.key, { state: "paused" });
  } else if (isForLater(error) && upload.tries < MOST_TRIES) {
    change(upload.key, { state: "paused", error, tries: upload.tries + 1 });
    timer ??= window.setTimeout(resume, 1000 * (error.retryAfterSeconds || AGAIN_SECONDS * 2 ** upload.tries));
  } else {
    change(upload.key, { state: "refused", error });
    if (error.code === QUOTA_GONE) refuseRest(error);
  }
}

/** Refuses what is not sent yet: none of it has a place in the quota. */
function refuseRest(error: ApiError): void {
  uploads.value = uploads.value.map((each) =>
    each.state === "waiting" ? { ...each, state: "refused", error } : each,
  );
}

function isForLater(error: ApiError): boolean {
  return LATER_STATUSES.includes(error.status) || LATER_CODES.includes(error.code);
}

/** Returns whether the file is still on the disk. A browser reports a broken connection in both cases. */
async function isReadable(file: File): Promise<boolean> {
  return file.slice(0, 1).arrayBuffer().then(() => true, () => false);
}
