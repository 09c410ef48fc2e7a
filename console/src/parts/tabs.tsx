import { useLocation } from "preact-iso";

/** Links between the pages of one place. */
export function Tabs({ label, pages }: { label: string; pages: readonly (readonly [address: string, title: string])[] }) {
  const { path } = useLocation();
  return (
    <nav class="tabs" aria-label={label}>
      {pages.map(([address, title]) => (
        <a key={address} href={address} aria-current={path.replace(/\/$/, "") === address ? "page" : undefined}>
          {title}
        </a>
      ))}
    </nav>
  );
}
