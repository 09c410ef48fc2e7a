/** The files that a person has chosen and that the API has not accepted yet. A few are sent at a time. */
import { signal } from "@preact/signals";
import { ApiError, UNREACHABLE } from "../api/client";
import { sendFile, type Sending } from "../api/upload";
import { loadImage } from "./images";
import { options, toFields } from "./options";

const AT_A_TIME = 3;
const AGAIN_MS = 3000;
const TRY_LATER = [503, 504];

export interface Upload {
  key: number;
  file: File;
  fields: Record<string, string>;
  /** An address of the file for this page. */
  preview: string;
  state: "waiting" | "sending" | "refused" | "paused";
  percent: number;
  error?: ApiError | undefined;
}

export const uploads = signal<readonly Upload[]>([]);
/** Previews of files that were sent from this page, by the id of their image. */
export const previews = signal<ReadonlyMap<number, string>>(new Map());

const sendings = new Map<number, Sending>();
let nextKey = 1;

export function add(files: Iterable<File>): void {
  const added = [...files].map((file): Upload => ({
    key: nextKey++,
    file,
    fields: toFields(options.value),
    preview: URL.createObjectURL(file),
    state: "waiting",
    percent: 0,
  }));
  uploads.value = [...uploads.value, ...added];
  sendNext();
}

/** Sends a refused file again, with the options that are chosen now. */
export function retry(key: number): void {
  change(key, { error: undefined, fields: toFields(options.value), state: "waiting", percent: 0 });
  sendNext();
}

export function remove(key: number): void {
  sendings.get(key)?.stop();
  uploads.value = uploads.value.filter((each) => each.key !== key);
}

/** Goes on with the files that waited for the sign-in. */
export function resume(): void {
  uploads.value = uploads.value.map((each) => (each.state === "paused" ? { ...each, state: "waiting" } : each));
  sendNext();
}

function change(key: number, changed: Partial<Upload>): void {
  uploads.value = uploads.value.map((each) => (each.key === key ? { ...each, ...changed } : each));
}

function sendNext(): void {
  const next = uploads.value.find((each) => each.state === "waiting");
  if (!next || sendings.size >= AT_A_TIME) return;
  change(next.key, { state: "sending", percent: 0 });
  const sending = sendFile(next.file, next.fields, (percent) => change(next.key, { percent }));
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
    if (error.code === "stopped") return;
    if (error.isSignedOut) change(upload.key, { state: "paused" });
    else if (TRY_LATER.includes(error.status)) {
      change(upload.key, { state: "paused" });
      window.setTimeout(resume, error.retryAfterSeconds * 1000 || AGAIN_MS);
    } else change(upload.key, { state: "refused", error: await isReadable(upload.file) ? error : gone() });
  }
}

/** Returns whether the file is still on the disk. A browser reports a broken connection in both cases. */
async function isReadable(file: File): Promise<boolean> {
  return file.slice(0, 1).arrayBuffer().then(() => true, () => false);
}

function gone(): ApiError {
  return new ApiError(0, "gone", "");
}
