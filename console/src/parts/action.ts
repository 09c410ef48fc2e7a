import { useState } from "preact/hooks";

interface Action {
  isRunning: boolean;
  error: unknown;
  isDone: boolean;
  run: () => void;
  reset: () => void;
}

/** Runs something that takes a while, and remembers whether it is running and how it ended. */
export function useAction(work: () => Promise<void>): Action {
  const [state, setState] = useState<{ isRunning: boolean; error: unknown; isDone: boolean }>({
    isRunning: false,
    error: undefined,
    isDone: false,
  });
  const run = (): void => {
    setState({ isRunning: true, error: undefined, isDone: false });
    work().then(
      () => setState({ isRunning: false, error: undefined, isDone: true }),
      (error: unknown) => setState({ isRunning: false, error, isDone: false }),
    );
  };
  return { ...state, run, reset: () => setState({ isRunning: false, error: undefined, isDone: false }) };
}

/** Returns a handler that runs the action if the person answers the question with yes. */
export function confirmed(question: string, run: () => void): () => void {
  return () => {
    if (window.confirm(question)) run();
  };
}

/** Returns a handler that runs the action when a form is sent. */
export function onSubmit(action: { isRunning: boolean; run: () => void }): (event: Event) => void {
  return (event) => {
    event.preventDefault();
    if (!action.isRunning) action.run();
  };
}
