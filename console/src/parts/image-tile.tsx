import type { Image, Schemas } from "../api/client";
import { fill, formatDate, texts } from "../texts";
import { sizesOf } from "./image-row";
import { RetryImage } from "./retry-image";
import { ImageThumbnail } from "./thumbnail";

interface Props {
  image: Image | Schemas["BatchImage"];
  isChosen?: boolean;
  onToggle?: () => void;
}

/** An image in a grid. With `onToggle` it can be selected. */
export function ImageTile({ image, isChosen, onToggle }: Props) {
  const t = texts();
  const name = image.original_filename;
  return (
    <li class="tile">
      <a href={`/console/images/${image.id}`} aria-label={fill(t.history.open, { name })}>
        <ImageThumbnail image={image} />
      </a>
      <p class="name">{name}</p>
      <p class={image.error ? "bad quiet" : "quiet"}>
        {image.error?.message ?? (image.status === "completed" ? sizesOf(image) : t.history.status[image.status])}
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
        <>
          {image.download_url && (
            <a class="button" href={image.download_url} download>
              {t.upscale.download}
              <span class="only-heard"> {name}</span>
            </a>
          )}
          <RetryImage image={image} />
        </>
      )}
    </li>
  );
}
