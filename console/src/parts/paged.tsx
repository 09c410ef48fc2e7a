/** Lists in pages. Only one page is in memory, however long the list is. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Schemas } from "../api/client";
import { resets } from "../state/images";
import { fill, texts } from "../texts";

export const PER_PAGE = 24;

interface Page {
  meta: Schemas["Meta"];
}

interface Paged<Body> {
  page: Body | undefined;
  error: unknown;
  reload: () => void;
  turnTo: (number: number) => void;
}

/** Reads the first page for each filter, the page that is turned to, and the same page for a new `version`. */
export function usePaged<Body extends Page>(
  read: (query: { page: number; per_page: number }) => Promise<Body>,
  filter = "",
  version: unknown = undefined,
): Paged<Body> {
  const [turned, setTurned] = useState({ filter, number: 1 });
  const number = turned.filter === filter ? turned.number : 1;
  const [page, setPage] = useState<Body>();
  const [error, setError] = useState<unknown>();
  const question = useRef(0);
  const reload = (): void => {
    setError(undefined);
    const asked = ++question.current; // an answer may come after that of a later question
    const unlessLate = <Value,>(set: (value: Value) => void) => (value: Value): void => {
      if (asked === question.current) set(value);
    };
    read({ page: number, per_page: PER_PAGE }).then(unlessLate(setPage), unlessLate(setError));
  };
  useEffect(reload, [number, filter, version, resets.value]);
  return { page, error, reload, turnTo: (wanted) => setTurned({ filter, number: wanted }) };
}

export function Pages({ page, onTurn }: { page: Page | undefined; onTurn: (number: number) => void }) {
  const t = texts().history;
  if (!page || page.meta.last_page <= 1) return null;
  const { current_page: now, last_page: last } = page.meta;
  return (
    <nav class="row" aria-label={t.pages}>
      <button disabled={now <= 1} onClick={() => onTurn(now - 1)}>
        {t.earlier}
      </button>
      <span>{fill(t.page, { n: now, of: last })}</span>
      <button disabled={now >= last} onClick={() => onTurn(now + 1)}>
        {t.later}
      </button>
    </nav>
  );
}
