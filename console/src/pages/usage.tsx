import { api, bodyOf, type Schemas } from "../api/client";
import { DayChart } from "../parts/day-chart";
import { Failure } from "../parts/failure";
import { useRead } from "../parts/read";
import { fill, formatDate, texts } from "../texts";

export function Usage() {
  const t = texts().usage;
  const { found, error, reload } = useRead(async () => {
    const [usage, days] = await Promise.all([bodyOf(api.GET("/api/usage")), bodyOf(api.GET("/api/usage/history"))]);
    return { usage: usage.data, days: days.data };
  });
  return (
    <>
      <h1>{t.title}</h1>
      <Failure error={error} onRetry={reload} />
      {found && (
        <>
          <Month usage={found.usage} />
          <section class="card">
            <h2>{t.days}</h2>
            <DayChart entries={found.days.entries} />
          </section>
        </>
      )}
    </>
  );
}

function Month({ usage }: { usage: Schemas["Usage"] }) {
  const t = texts().usage;
  const { used, limit, resets_at: resetsAt } = usage.image_uploads;
  return (
    <section class="card">
      <h2>{t.month}</h2>
      <p class="figure">{limit === null ? fill(t.unlimited, { used }) : fill(t.used, { used, limit })}</p>
      {limit !== null && <progress max={limit} value={Math.min(used, limit)} aria-label={t.month} />}
      <p class="quiet">
        {t.plan}: {usage.plan}. {fill(t.resets, { when: formatDate(resetsAt) })}
      </p>
    </section>
  );
}
