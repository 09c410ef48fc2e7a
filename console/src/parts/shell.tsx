import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { useLocation } from "preact-iso";
import { isUninformed } from "../state/images";
import { isOperator } from "../state/operator";
import { signOut } from "../state/session";
import { texts } from "../texts";
import { LensMark } from "./lens-mark";

/** The places, with the beginnings of all their addresses. A click on a place opens the first. */
const PLACES = [
  ["upscale", "/console"],
  ["history", "/console/history", "/console/batches"],
  ["usage", "/console/usage"],
  ["api", "/console/tokens", "/console/webhooks"],
  ["account", "/console/account", "/console/audit"],
  ["operators", "/console/operators/users", "/console/operators"],
] as const;

function placeOf(path: string): (typeof PLACES)[number][0] {
  const isAt = (address: string): boolean => path === address || path.startsWith(`${address}/`);
  return PLACES.find(([name, ...addresses]) => name !== "upscale" && addresses.some(isAt))?.[0] ?? "upscale";
}

export function Shell({ children }: { children: ComponentChildren }) {
  const t = texts();
  const { path } = useLocation();
  const isComparing = path.startsWith("/console/images/");
  const place = placeOf(path);
  const title = isComparing ? t.compare.title : t.places[place];
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
          {PLACES.filter(([name]) => name !== "operators" || isOperator.value).map(([name, address]) => (
            <a key={name} href={address} aria-current={place === name && !isComparing ? "page" : undefined}>
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
        {isUninformed.value && (
          <p class="notice" role="status">
            {t.uninformed}
          </p>
        )}
        {children}
      </main>
    </div>
  );
}
