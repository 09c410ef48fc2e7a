import type { Schemas } from "../api/client";
import { formatDate, texts } from "../texts";
import { detailText, eventTexts } from "../texts/events";

type Entry = Schemas["AuditEntry"];

interface Props<Kind extends Entry> {
  entries: readonly Kind[];
  /** Says who caused an entry. */
  actorOf: (entry: Kind) => string | null | undefined;
}

/** A list of the events of accounts. */
export function AuditEntries<Kind extends Entry>({ entries, actorOf }: Props<Kind>) {
  return (
    <ul class="lines">
      {entries.map((entry) => (
        <li key={entry.id}>
          <div>
            <p class={isRefused(entry) ? "name bad" : "name"}>{eventTexts()[entry.event] ?? entry.description}</p>
            <p class="quiet breaks">
              {[formatDate(entry.occurred_at, true), actorOf(entry), entry.client_address]
                .filter(Boolean)
                .join(" · ")}
            </p>
          </div>
          <Details entry={entry} />
        </li>
      ))}
    </ul>
  );
}

function Details({ entry }: { entry: Entry }) {
  const t = texts().audit;
  const known = [
    ...Object.entries(entry.details).map(([name, value]) => detailText(name, value)),
    [t.program, entry.user_agent] as const,
    [t.request, entry.request_id] as const,
  ].filter(([, value]) => value);
  if (known.length === 0) return null;
  return (
    <details>
      <summary>{t.details}</summary>
      <dl class="pairs breaks">
        {known.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

export function isRefused(entry: Entry): boolean {
  return entry.event.endsWith("refused");
}
