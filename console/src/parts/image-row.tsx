import type { Image, Schemas } from "../api/client";
import { deleteImage } from "../state/images";
import { fill, texts } from "../texts";
import { useAction } from "./action";
import { sentenceOf } from "./failure";
import { RetryImage } from "./retry-image";
import { ImageThumbnail } from "./thumbnail";

/** An image that the API has accepted: how far it is, and what a person can do with it. */
export function ImageRow({ image }: { image: Image }) {
  const t = texts().upscale;
  const removal = useAction(() => deleteImage(image.id));
  const isDone = image.status === "completed";
  const name = <span class="only-heard"> {image.original_filename}</span>;
  return (
    <li>
      <ImageThumbnail image={image} />
      <div class="about">
        <p class="name">{image.original_filename}</p>
        <p class="quiet">{sizesOf(image)}</p>
        <p class={image.error || removal.error ? "bad" : isDone ? "good" : "quiet"}>
          {removal.error ? sentenceOf(removal.error) : stateOf(image)}
        </p>
        {image.status === "processing" && (
          <progress max={100} value={image.progress} aria-label={image.original_filename} />
        )}
      </div>
      <div class="row">
        {isDone && (
          <a class="button main-action" href={`/console/images/${image.id}`}>
            {t.compare}
            {name}
          </a>
        )}
        {image.download_url && (
          <a class="button" href={image.download_url} download>
            {t.download}
            {name}
          </a>
        )}
        <RetryImage image={image} />
        <button class="plain" disabled={removal.isRunning} onClick={removal.run}>
          {t.delete}
          {name}
        </button>
      </div>
    </li>
  );
}

export function sizesOf(image: Image | Schemas["BatchImage"]): string {
  const [from, to] = [image.original_dimensions_formatted, image.upscaled_dimensions_formatted].map((size) =>
    size?.replace(/ ?x ?/, "\u00a0×\u00a0"),
  );
  return [from, to].filter(Boolean).join(" → ") || image.original_size_human;
}

function stateOf(image: Image): string {
  const t = texts().upscale;
  switch (image.status) {
    case "completed":
      return fill(t.completed, { n: image.processing_time ?? "?" });
    case "failed":
      return image.error?.message ?? t.failed;
    case "processing":
      return withEstimate(fill(t.processing, { n: image.progress }), image);
    default:
      return withEstimate(
        image.queue_position ? fill(t.pendingAt, { n: image.queue_position }) : t.pending,
        image,
      );
  }
}

function withEstimate(text: string, image: Image): string {
  const seconds = image.estimated_seconds;
  return seconds ? `${text}, ${fill(texts().upscale.about, { n: seconds })}` : text;
}
