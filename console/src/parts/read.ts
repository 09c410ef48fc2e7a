import { type Dispatch, type StateUpdater, useEffect, useState } from "preact/hooks";
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
  const reload = (): void => {
    read().then((answer) => {
      setError(undefined);
      setFound(() => answer);
    }, setError);
  };
  useEffect(reload, [key, resets.value]);
  return { found, error, reload, setFound };
}
