import { useEffect, useState } from "preact/hooks";

/** A small picture. Where the browser cannot show the file, it shows the file's extension. */
export function Thumbnail({ source, name }: { source: string | null | undefined; name: string }) {
  const [isBroken, setIsBroken] = useState(false);
  // links are signed anew with every answer; only another object is another picture
  const object = source?.replace(/\?.*/, "");
  const [address, setAddress] = useState(source);
  useEffect(() => {
    setAddress(source);
    setIsBroken(false);
  }, [object]);
  if (!address || isBroken) {
    return <span class="thumbnail nothing">{name.slice(name.lastIndexOf(".") + 1).toUpperCase()}</span>;
  }
  return (
    <img
      class="thumbnail checker"
      src={address}
      alt=""
      loading="lazy"
      decoding="async"
      onError={() => setIsBroken(true)}
    />
  );
}
