import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { useLocation } from "preact-iso";
import { signOut } from "../state/session";
import { texts } from "../texts";
import { LensMark } from "./lens-mark";

const PLACES = [
  ["/console", "upscale"],
  ["/console/history", "history"],
  ["/console/usage", "usage"],
  ["/console/tokens", "tokens"],
  ["/console/account", "account"],
] as const;

export function Shell({ children }: { children: ComponentChildren }) {
  const t = texts();
  const { path } = useLocation();
  const isComparing = path.startsWith("/console/images/");
  const place = PLACES.find(([address]) => address === path.replace(/\/$/, ""))?.[1];
  const title = isComparing ? t.compare.title : t.places[place ?? "upscale"];
  useEffect(() => {
    document.title = `${title} · ${t.brand}`;
  }, [title]);
  return (
    <div class="shell">
      <header class="top">
        <a class="brand" href="/console">
          <LensMark />
          {t.brand}
        </a>
        <nav class="places" aria-label={t.places.label}>
          {PLACES.map(([address, name]) => (
            <a key={name} href={address} aria-current={path.replace(/\/$/, "") === address ? "page" : undefined}>
              {t.places[name]}
            </a>
          ))}
        </nav>
        <div class="row">
          <button class="plain" onClick={() => void signOut()}>
            {t.signOut}
          </button>
        </div>
      </header>
      <main id="content" class={isComparing ? "wide" : ""}>
        {children}
      </main>
    </div>
  );
}
