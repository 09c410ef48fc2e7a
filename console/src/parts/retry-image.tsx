import type { Image, Schemas } from "../api/client";
import { retryImage } from "../state/images";
import { texts } from "../texts";
import { useAction } from "./action";
import { Failure } from "./failure";

/** Queues an image again that has failed, if another try may succeed. */
export function RetryImage({ image }: { image: Image | Schemas["BatchImage"] }) {
  const action = useAction(() => retryImage(image.id));
  if (!image.error?.retryable) return null;
  return (
    <>
      <button disabled={action.isRunning} onClick={action.run}>
        {texts().tryAgain}
        <span class="only-heard"> {image.original_filename}</span>
      </button>
      <Failure error={action.error} />
    </>
  );
}
