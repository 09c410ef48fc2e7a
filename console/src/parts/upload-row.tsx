import { mayRetry, remove, resume, retry, type Upload } from "../state/uploads";
import { fill, texts } from "../texts";
import { sentenceOf } from "./failure";
import { Thumbnail } from "./thumbnail";

/** A file that is on its way to the API, or that was refused. */
export function UploadRow({ upload }: { upload: Upload }) {
  const t = texts();
  return (
    <li>
      <Thumbnail source={upload.preview} name={upload.file.name} />
      <div class="about">
        <p class="name">{upload.file.name}</p>
        <p class={upload.error ? "bad" : "quiet"} role={upload.error ? "alert" : undefined}>
          {stateOf(upload)}
        </p>
        {upload.state === "sending" && <progress max={100} value={upload.percent} aria-label={upload.file.name} />}
      </div>
      <div class="row">
        {upload.error && mayRetry(upload) && (
          <button onClick={() => (upload.state === "refused" ? retry(upload) : resume())}>
            {t.tryAgain}
            <span class="only-heard"> {upload.file.name}</span>
          </button>
        )}
        <button class="plain" onClick={() => remove(upload.key)}>
          {t.upscale.remove}
          <span class="only-heard"> {upload.file.name}</span>
        </button>
      </div>
    </li>
  );
}

function stateOf(upload: Upload): string {
  const t = texts().upscale;
  switch (upload.state) {
    case "refused":
      return sentenceOf(upload.error);
    case "paused":
      return upload.error ? sentenceOf(upload.error) : t.paused;
    case "sending":
      return upload.percent < 100 ? fill(t.sending, { n: upload.percent }) : t.checking;
    default:
      return t.toSend;
  }
}
