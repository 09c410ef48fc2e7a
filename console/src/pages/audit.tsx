import { api, bodyOf, type Schemas } from "../api/client";
import { AccountTabs } from "../parts/account-tabs";
import { Failure } from "../parts/failure";
import { Pages, usePaged } from "../parts/paged";
import { formatDate, texts } from "../texts";

type Entry = Schemas["AuditEntry"];

/** What happened to the account: logins, changes, deletions. */
export function Audit() {
  const t = texts().audit;
  const { page, error, reload, turnTo } = usePaged((query) => bodyOf(api.GET("/api/audit", { params: { query } })));
  return (
    <>
      <AccountTabs />
      <h1>{t.title}</h1>
      <p>{t.explain}</p>
      <Failure error={error} onRetry={reload} />
      <section class="card" aria-busy={!page}>
        <AuditEntries entries={page?.data ?? []} />
      </section>
      <Pages page={page} onTurn={turnTo} />
    </>
  );
}

export function AuditEntries({ entries }: { entries: readonly Entry[] }) {
  const t = texts().audit;
  const actorOf = (entry: Entry) =>
    entry.actor === "user" && isRefused(entry) ? t.somebody : t.actors[entry.actor];
  return (
    <ul class="lines">
      {entries.map((entry) => (
        <li key={entry.id}>
          <div>
            <p class={isRefused(entry) ? "name bad" : "name"}>{capital(entry.description)}</p>
            <p class="quiet breaks">
              {[formatDate(entry.occurred_at, true), actorOf(entry), entry.client_address]
                .filter(Boolean)
                .join(" · ")}
            </p>
            <Details entry={entry} />
          </div>
        </li>
      ))}
    </ul>
  );
}

function Details({ entry }: { entry: Entry }) {
  const t = texts().audit;
  const facts = Object.entries({ ...entry.details, [t.program]: entry.user_agent, [t.request]: entry.request_id });
  return (
    <details>
      <summary>{t.details}</summary>
      <dl class="pairs breaks">
        {facts.map(
          ([name, value]) =>
            value && (
              <div key={name}>
                <dt>{name.replaceAll("_", " ")}</dt>
                <dd>{value}</dd>
              </div>
            ),
        )}
      </dl>
    </details>
  );
}

function isRefused(entry: Entry): boolean {
  return entry.event.endsWith(".refused");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
