import { useState } from "preact/hooks";
import { api, bodyOf } from "../api/client";
import { loadImage } from "../state/images";
import { options, toFields } from "../state/options";
import { texts } from "../texts";
import { onSubmit, useAction } from "./action";
import { Failure } from "./failure";
import { Field, withoutFields } from "./field";

/** Takes a picture from an address on the internet, which the API fetches. */
export function LinkForm({ link }: { link: string }) {
  const t = texts().upscale;
  const [address, setAddress] = useState(link);
  const action = useAction(async () => {
    const body = { image_url: address, ...toFields(options.value) };
    const answer = await bodyOf(api.POST("/api/images/upscale", { body: body as never })); // numbers as texts
    await loadImage(answer.data.id);
    setAddress("");
  });
  return (
    <form class="link" onSubmit={onSubmit(action)}>
      <Field
        label={t.linkLabel}
        name="image_url"
        value={address}
        onChange={setAddress}
        error={action.error}
        required
      />
      <button disabled={action.isRunning}>{action.isRunning ? t.fetching : t.linkAction}</button>
      <Failure error={withoutFields(action.error, "image_url")} />
    </form>
  );
}
