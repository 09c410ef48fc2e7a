import { useEffect } from "preact/hooks";
import { api, bodyOf } from "../api/client";
import { Failure } from "../parts/failure";
import { useRead } from "../parts/read";
import { fill, formatDate, language } from "../texts";
import { type Operators, operators } from "./client";
import { operatorTexts } from "./texts";

/** Four times a minute: two requests each time take half of the hourly limit of a small plan. */
const AGAIN_MS = 15000;

/** Reads something now and every few seconds. */
function useLatest<Found>(read: () => Promise<Found>): ReturnType<typeof useRead<Found>> {
  const latest = useRead(read);
  useEffect(() => {
    const timer = window.setInterval(latest.reload, AGAIN_MS);
    return () => window.clearInterval(timer);
  }, []);
  return latest;
}

interface Facts {
  facts: readonly (readonly [name: string, value: string | number])[];
}

function Figures({ facts }: Facts) {
  return (
    <dl class="card figures">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Queue() {
  const t = operatorTexts();
  const served = useRead(async () => (await bodyOf(api.GET("/api/models"))).data);
  const { found, error, reload } = useLatest(async () => {
    const [queue, workers] = await Promise.all([
      bodyOf(operators.GET("/api/admin/queue")),
      bodyOf(operators.GET("/api/admin/workers")),
    ]);
    return { queue: queue.data, workers: workers.data };
  });
  if (!found) return <Failure error={error} onRetry={reload} />;
  const { queue, workers } = found;
  const models = served.found ?? [];
  return (
    <>
      <Failure error={error} onRetry={reload} />
      <Figures
        facts={[
          [t.waiting, queue.waiting],
          [t.priority, queue.waiting_priority],
          [t.processing, queue.processing],
          [t.oldest, fill(t.seconds, { n: Math.round(queue.oldest_seconds) })],
          [t.left, queue.seconds_left === null ? "–" : fill(t.seconds, { n: Math.round(queue.seconds_left) })],
          [t.ended, queue.ended_last_hour],
          [t.failed, queue.failed_last_hour],
        ]}
      />
      <section class="card">
        <h2>{t.models}</h2>
        <dl class="settings">
          {models.map(({ name, network, source, licence }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{[network, source, licence].filter(Boolean).join(" · ") || "–"}</dd>
            </div>
          ))}
        </dl>
      </section>
      <section class="card">
        <h2>{t.workers}</h2>
        {workers.length === 0 && <p class="bad">{t.noWorkers}</p>}
        <ul class="lines">
          {workers.map((worker) => (
            <WorkerLine key={worker.name} worker={worker} />
          ))}
        </ul>
      </section>
    </>
  );
}

function WorkerLine({ worker }: { worker: Operators["WorkerState"] }) {
  const t = operatorTexts();
  return (
    <li>
      <div>
        <p class="name breaks">{worker.name}</p>
        <p class={worker.is_alive ? "good" : "bad"}>{worker.is_alive ? t.alive : t.silent}</p>
        <p class="quiet">
          {[
            fill(t.announced, { when: formatDate(worker.announced_at, true) }),
            worker.places && fill(t.places, { n: worker.places }),
            worker.megapixels_per_second && fill(t.pace, { n: rounded(worker.megapixels_per_second) }),
          ]
            .filter(Boolean)
            .join(" · ")}
        </p>
      </div>
    </li>
  );
}

export function Storage() {
  const t = operatorTexts();
  const { found, error, reload } = useLatest(async () => (await bodyOf(operators.GET("/api/admin/storage"))).data);
  if (!found) return <Failure error={error} onRetry={reload} />;
  return (
    <Figures
      facts={[
        [t.images, found.images],
        [t.originals, megabytes(found.original_bytes)],
        [t.results, megabytes(found.upscaled_bytes)],
        [t.expired, found.expired_waiting],
        [t.orphans, found.orphans_deleted],
      ]}
    />
  );
}

function megabytes(bytes: number): string {
  return `${rounded(bytes / 1e6)} MB`;
}

function rounded(number: number): string {
  return new Intl.NumberFormat(language.value, { maximumFractionDigits: 1 }).format(number);
}
