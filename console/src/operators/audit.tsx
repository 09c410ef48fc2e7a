import { useLocation } from "preact-iso";
import { useState } from "preact/hooks";
import { bodyOf } from "../api/client";
import { AuditEntries } from "../parts/audit-entries";
import { Filter } from "../parts/choice";
import { Failure } from "../parts/failure";
import { Pages, usePaged } from "../parts/paged";
import { fill, texts } from "../texts";
import { eventTexts } from "../texts/events";
import { type Operators, operators } from "./client";
import { operatorTexts } from "./texts";

type Entry = Operators["InstallationEntry"];

/** The events of all accounts, or of the one that the address of the page names. */
export function InstallationAudit() {
  const t = operatorTexts();
  const userId = Number(useLocation().query["user"] ?? 0);
  const [event, setEvent] = useState<Entry["event"] | "">("");
  const { page, error, reload, turnTo } = usePaged(
    (paging) => {
      const query = { ...paging, ...(userId && { user_id: userId }), ...(event && { event }) };
      return bodyOf(operators.GET("/api/admin/audit", { params: { query } }));
    },
    `${userId} ${event}`,
  );
  return (
    <>
      <div class="row">
        <Filter titles={eventTexts()} value={event} onChange={setEvent} />
        {userId > 0 && (
          <a class="button" href="/console/operators/audit">
            {t.ofEverybody}
          </a>
        )}
      </div>
      <Failure error={error} onRetry={reload} />
      <section class="card" aria-busy={!page}>
        {page?.data.length === 0 && <p class="quiet">{t.nothing}</p>}
        <AuditEntries entries={page?.data ?? []} actorOf={peopleOf} />
      </section>
      <Pages page={page} onTurn={turnTo} />
    </>
  );
}

/** Says to whom it happened, and who did it unless it was the user. */
function peopleOf(entry: Entry): string {
  const t = operatorTexts();
  const named = (email: string | null, id: number | null): string => email ?? (id === null ? "" : fill(t.userId, { id }));
  const actor = entry.actor === "operator" ? named(entry.operator_email, entry.operator_id) : "";
  const by = entry.actor === "user" ? "" : fill(t.by, { who: actor || (texts().audit.actors[entry.actor] ?? "") });
  return [named(entry.user_email, entry.user_id), by].filter(Boolean).join(" · ");
}
