import { api, bodyOf, type Schemas } from "../api/client";
import { AccountTabs } from "../parts/account-tabs";
import { AuditEntries, isRefused } from "../parts/audit-entries";
import { Failure } from "../parts/failure";
import { Pages, usePaged } from "../parts/paged";
import { texts } from "../texts";

/** The events of the account: logins, changes, deletions. */
export function Audit() {
  const t = texts().audit;
  const { page, error, reload, turnTo } = usePaged((query) => bodyOf(api.GET("/api/audit", { params: { query } })));
  const actorOf = (entry: Schemas["AuditEntry"]) =>
    entry.actor === "user" && isRefused(entry) ? t.somebody : t.actors[entry.actor];
  return (
    <>
      <AccountTabs />
      <h1>{t.title}</h1>
      <p>{t.explain}</p>
      <Failure error={error} onRetry={reload} />
      <section class="card" aria-busy={!page}>
        <AuditEntries entries={page?.data ?? []} actorOf={actorOf} />
      </section>
      <Pages page={page} onTurn={turnTo} />
    </>
  );
}
