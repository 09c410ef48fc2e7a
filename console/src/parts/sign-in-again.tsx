import { useEffect, useRef } from "preact/hooks";
import { resets } from "../state/images";
import { forgetUser, hasEnded, user } from "../state/session";
import { resume } from "../state/uploads";
import { texts } from "../texts";
import { SignInForm } from "./sign-in-form";

/** Asks for the sign-in on top of the page when the session has ended, so that nothing is lost. */
export function SignInAgain() {
  const t = texts();
  const dialog = useRef<HTMLDialogElement>(null);
  const isShown = hasEnded.value;
  const wasShown = useRef(false);
  useEffect(() => {
    if (isShown) dialog.current?.showModal();
    else dialog.current?.close();
    if (wasShown.current && !isShown) {
      resume();
      resets.value += 1;
    }
    wasShown.current = isShown;
  }, [isShown]);
  return (
    <dialog ref={dialog} aria-labelledby="again" onCancel={(event) => event.preventDefault()}>
      {isShown && (
        <div class="form">
          <h2 id="again">{t.signIn.title}</h2>
          <p>{t.signIn.ended}</p>
          <SignInForm email={user.value?.email ?? ""} />
          <button class="plain" onClick={forgetUser}>
            {t.signOut}
          </button>
        </div>
      )}
    </dialog>
  );
}
