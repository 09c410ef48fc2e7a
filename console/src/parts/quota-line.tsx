import { useEffect, useState } from "preact/hooks";
import { api, bodyOf, type Schemas } from "../api/client";
import { images } from "../state/images";
import { fill, texts } from "../texts";

/** Shows how many of the month's images are used, unless there is no limit. */
export function QuotaLine() {
  const [usage, setUsage] = useState<Schemas["Usage"]>();
  const known = images.value.size;
  useEffect(() => {
    bodyOf(api.GET("/api/usage")).then((answer) => setUsage(answer.data), () => undefined);
  }, [known]);
  const { used, limit } = usage?.image_uploads ?? {};
  if (used === undefined || limit === undefined || limit === null) return null;
  return <p class="quiet">{fill(texts().upscale.quota, { used, limit })}</p>;
}
