import type { Image } from "../api/client";
import { fill, texts } from "../texts";
import { useAction } from "./action";

const PAUSE_MS = 500;

/** Downloads all finished pictures, one after the other: a browser drops downloads that begin at once. */
export function DownloadAll({ images }: { images: readonly Image[] }) {
  const links = images.map((image) => image.download_url).filter((link) => link !== null);
  const action = useAction(async () => {
    for (const link of links) {
      const anchor = document.createElement("a");
      anchor.href = link;
      anchor.download = "";
      anchor.click();
      await new Promise((resolve) => window.setTimeout(resolve, PAUSE_MS));
    }
  });
  if (links.length < 2) return null;
  return (
    <button disabled={action.isRunning} onClick={action.run}>
      {fill(texts().upscale.downloadAll, { n: links.length })}
    </button>
  );
}
