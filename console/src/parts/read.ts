import { type Dispatch, type StateUpdater, useEffect, useRef, useState } from "preact/hooks";
import { resets } from "../state/images";

interface Read<Found> {
  found: Found | undefined;
  error: unknown;
  reload: () => void;
  setFound: Dispatch<StateUpdater<Found | undefined>>;
}

/** Reads something now, again for another `key`, and after events were missed. */
export function useRead<Found>(read: () => Promise<Found>, key: unknown = undefined): Read<Found> {
  const [found, setFound] = useState<Found>();
  const [error, setError] = useState<unknown>();
  const current = useRef(key);
  current.current = key;
  const reload = (): void => {
    const unlessLate = <Value,>(set: (value: Value) => void) => (value: Value): void => {
      if (current.current === key) set(value); // an answer may come after the key has changed
    };
    const keep = (answer: Found): void => {
      setError(undefined);
      setFound(() => answer);
    };
    read().then(unlessLate(keep), unlessLate(setError));
  };
  useEffect(reload, [key, resets.value]);
  return { found, error, reload, setFound };
}
