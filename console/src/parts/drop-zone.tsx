import { useEffect, useRef, useState } from "preact/hooks";
import { FORMATS } from "../api/formats";
import { add } from "../state/uploads";
import { fill, listOf, texts } from "../texts";
import { filesOf } from "./dropped-files";
import { LinkForm } from "./link-form";

const READ = FORMATS.filter(({ isRead }) => isRead);
const TITLES = READ.map(({ title }) => title);
/** Browsers know by themselves that the other suffixes are pictures. */
const ACCEPTED = ["image/*", ...READ.filter((each) => !each.isForBrowsers).flatMap((each) => each.suffixes)].join();

/** Takes pictures that are dropped anywhere on the page, pasted, or chosen in a dialog. */
export function DropZone() {
  const t = texts().upscale;
  const [isOver, setIsOver] = useState(false);
  const [isEmpty, setIsEmpty] = useState(false);
  const [link, setLink] = useState<string>();
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);

  const take = (found: readonly File[]): void => {
    setIsEmpty(found.length === 0);
    add(found);
  };
  useEffect(() => {
    let depth = 0; // enter and leave are reported for every element below the pointer
    const move = (by: number) => (event: DragEvent) => {
      event.preventDefault();
      depth = by ? Math.max(0, depth + by) : depth;
      setIsOver(depth > 0);
    };
    const enter = move(1);
    const leave = move(-1);
    const over = move(0);
    const drop = (event: DragEvent): void => {
      event.preventDefault();
      depth = 0;
      setIsOver(false);
      if (event.dataTransfer) void filesOf(event.dataTransfer).then(take);
    };
    const paste = (event: ClipboardEvent): void => {
      if (event.target instanceof HTMLInputElement) return;
      const pasted = [...(event.clipboardData?.files ?? [])];
      const text = event.clipboardData?.getData("text/plain").trim() ?? "";
      if (pasted.length > 0) take(pasted);
      else if (/^https?:/.test(text)) setLink(text);
    };
    document.addEventListener("dragenter", enter);
    document.addEventListener("dragleave", leave);
    document.addEventListener("dragover", over);
    document.addEventListener("drop", drop);
    document.addEventListener("paste", paste);
    return () => {
      document.removeEventListener("dragenter", enter);
      document.removeEventListener("dragleave", leave);
      document.removeEventListener("dragover", over);
      document.removeEventListener("drop", drop);
      document.removeEventListener("paste", paste);
    };
  }, []);

  const choose = (event: Event & { currentTarget: HTMLInputElement }): void => {
    take([...(event.currentTarget.files ?? [])].filter((file) => !file.name.startsWith(".")));
    event.currentTarget.value = ""; // the same file may be chosen again
  };
  return (
    <section class={isOver ? "drop over" : "drop"} aria-label={t.drop}>
      <p class="call">{isOver ? t.dropNow : t.drop}</p>
      <div class="row">
        <button class="main-action" onClick={() => files.current?.click()}>
          {t.choose}
        </button>
        <button onClick={() => folder.current?.click()}>{t.folder}</button>
        <button aria-expanded={link !== undefined} onClick={() => setLink(link === undefined ? "" : undefined)}>
          {t.link}
        </button>
      </div>
      {link !== undefined && <LinkForm key={link} link={link} />}
      <p class="quiet">
        {fill(t.formats, { formats: listOf(TITLES) })}. {t.paste}
      </p>
      <p role="status" class="bad" hidden={!isEmpty}>
        {isEmpty && t.noPictures}
      </p>
      <input ref={files} type="file" multiple hidden accept={ACCEPTED} onChange={choose} data-files />
      <input
        ref={(input) => {
          folder.current = input;
          input?.setAttribute("webkitdirectory", "");
        }}
        type="file"
        hidden
        onChange={choose}
        data-folder
      />
    </section>
  );
}
