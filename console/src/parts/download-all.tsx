import type { Image } from "../api/client";
import { archiveOf, loadBatch } from "../state/batches";
import { fill, texts } from "../texts";
import { useAction } from "./action";
import { Failure } from "./failure";

const PAUSE_MS = 500;

/** Returns links to all pictures: the archive of each batch that has ended, and each of the other pictures. */
async function linksTo(images: readonly Image[]): Promise<string[]> {
  const ids = new Set(images.map((image) => image.batch_id).filter((id) => id !== null));
  const batches = await Promise.all([...ids].map(loadBatch));
  const ended = new Set(batches.filter((batch) => batch.completed_at).map((batch) => batch.id));
  const others = images.filter(({ batch_id }) => batch_id === null || !ended.has(batch_id));
  return [...[...ended].map(archiveOf), ...others.flatMap((image) => image.download_url ?? [])];
}

/** Downloads all finished pictures, one after the other: a browser drops downloads that begin at once. */
export function DownloadAll({ images }: { images: readonly Image[] }) {
  const finished = images.filter((image) => image.download_url);
  const action = useAction(async () => {
    for (const link of await linksTo(finished)) {
      const anchor = document.createElement("a");
      anchor.href = link;
      anchor.download = "";
      anchor.click();
      await new Promise((resolve) => window.setTimeout(resolve, PAUSE_MS));
    }
  });
  if (finished.length < 2) return null;
  return (
    <>
      <button disabled={action.isRunning} onClick={action.run}>
        {fill(texts().upscale.downloadAll, { n: finished.length })}
      </button>
      <Failure error={action.error} />
    </>
  );
}
