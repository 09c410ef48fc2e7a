import { useEffect, useState } from "preact/hooks";
import { bodyOf } from "../api/client";
import { Failure } from "../parts/failure";
import { fill, formatDate, language } from "../texts";
import { type Operators, operators } from "./client";
import { operatorTexts } from "./texts";

const AGAIN_MS = 5000;

/** Reads something now and every few seconds. */
function useLatest<Found>(read: () => Promise<Found>): { found: Found | undefined; error: unknown; reload: () => void } {
  const [found, setFound] = useState<Found>();
  const [error, setError] = useState<unknown>();
  const reload = (): void => {
    read().then((answer) => {
      setError(undefined);
      setFound(answer);
    }, setError);
  };
  useEffect(() => {
    reload();
    const timer = window.setInterval(reload, AGAIN_MS);
    return () => window.clearInterval(timer);
  }, []);
  return { found, error, reload };
}

interface Facts {
  facts: readonly (readonly [name: string, value: string | number])[];
}

function Figures({ facts }: Facts) {
  return (
    <dl class="facts card">
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
  const { found, error, reload } = useLatest(async () => {
    const [queue, workers] = await Promise.all([
      bodyOf(operators.GET("/api/admin/queue")),
      bodyOf(operators.GET("/api/admin/workers")),
    ]);
    return { queue: queue.data, workers: workers.data };
  });
  if (!found) return <Failure error={error} onRetry={reload} />;
  const { queue, workers } = found;
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
          [t.models, queue.models.join(", ")],
        ]}
      />
      <section class="card">
        <h2>{t.workers}</h2>
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
        <p class="quiet">{formatDate(worker.announced_at, true)}</p>
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
  return `${new Intl.NumberFormat(language.value, { maximumFractionDigits: 1 }).format(bytes / 1e6)} MB`;
}
