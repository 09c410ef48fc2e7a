/** Who is signed in. */
import { signal } from "@preact/signals";
import { api, bodyOf, callSession, type User, whenSignedOut } from "../api/client";

/** Says only that this browser has signed in once, so that an unknown visitor causes no refused request. */
const KEY = "loupe.signed-in";

export const user = signal<User | null | undefined>(undefined);
/** True if the session ended while the person was at work. The page stays, and asks for the sign-in on top. */
export const hasEnded = signal(false);

whenSignedOut(() => {
  if (user.value) hasEnded.value = true;
  else user.value = null;
});

export async function loadUser(): Promise<void> {
  if (!localStorage.getItem(KEY)) {
    user.value = null;
    return;
  }
  user.value = (await bodyOf(api.GET("/api/user"))).data;
}

export async function signIn(email: string, password: string, otp: string): Promise<void> {
  const signedIn = await callSession("POST", { email, password, otp });
  signedInAs(signedIn);
}

/** Goes on as the user to whom the browser's cookie belongs now. */
export function signedInAs(signedIn: User): void {
  localStorage.setItem(KEY, "yes");
  if (user.value && user.value.id !== signedIn.id) window.location.reload(); // what is shown belongs to another
  user.value = signedIn;
  hasEnded.value = false;
}

export async function signOut(): Promise<void> {
  await callSession("DELETE").catch(() => undefined); // it may have ended already
  forgetUser();
}

export function forgetUser(): void {
  localStorage.removeItem(KEY);
  hasEnded.value = false;
  user.value = null;
}
