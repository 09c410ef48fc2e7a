import { texts } from "../texts";
import { useAction } from "./action";

/** A text that is shown only once, with a button that copies it. */
export function Secret({ text }: { text: string }) {
  const t = texts().tokens;
  const copy = useAction(() => navigator.clipboard.writeText(text));
  return (
    <div class="notice fine form" role="status">
      <p>{t.once}</p>
      <code>{text}</code>
      <button type="button" onClick={copy.run}>
        {copy.isDone ? t.copied : t.copy}
      </button>
    </div>
  );
}
