import { useEffect, useState } from "preact/hooks";
import type { Image, Schemas } from "../api/client";
import { previews } from "../state/uploads";

interface Props {
  source: string | null | undefined;
  /** Shown in place of a source that cannot be shown. */
  otherwise?: string | null | undefined;
  name: string;
}

/** A small picture. Where the browser cannot show the file, it shows the file's extension. */
export function Thumbnail({ source, otherwise, name }: Props) {
  const [addresses, setAddresses] = useState([source, otherwise]);
  // links are signed anew with every answer; only another object is another picture
  const object = `${source} ${otherwise}`.replace(/\?\S*/g, "");
  useEffect(() => setAddresses([source, otherwise]), [object]);
  const address = addresses.find(Boolean);
  if (!address) {
    return <span class="thumbnail nothing">{name.slice(name.lastIndexOf(".") + 1).toUpperCase()}</span>;
  }
  return (
    <img
      class="thumbnail checker"
      src={address}
      alt=""
      loading="lazy"
      decoding="async"
      onError={() => setAddresses(addresses.filter((each) => each && each !== address))}
    />
  );
}

/** The preview of an image, or else the file that was chosen here, or else the original. */
export function ImageThumbnail({ image }: { image: Image | Schemas["BatchImage"] }) {
  const shown = image.previews?.result_url ?? previews.value.get(image.id);
  return <Thumbnail source={shown} otherwise={image.original_url} name={image.original_filename} />;
}
