import { useEffect, useRef, useState } from "preact/hooks";
import { api, bodyOf, type Schemas } from "../api/client";
import { fill, formatDate, texts } from "../texts";
import { outcomeText } from "../texts/outcomes";
import { useAction } from "./action";
import { Filter } from "./choice";
import { Failure } from "./failure";
import { Pages, usePaged } from "./paged";

type Status = Schemas["DeliveryStatus"];
/** No event tells how a delivery ended, so the log is read again while one waits, after ever longer pauses. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

interface Props {
  webhookId: number;
  /** The log is read again when it changes. */
  version: unknown;
  canReplay: boolean;
}

/** The log of a webhook in pages, newest first. */
export function Deliveries({ webhookId, version, canReplay }: Props) {
  const t = texts().webhooks;
  const [status, setStatus] = useState<Status | "">("");
  const { page, error, reload, turnTo } = usePaged(
    (paging) => {
      const query = { ...paging, ...(status && { status }) };
      const params = { path: { webhook_id: webhookId }, query };
      return bodyOf(api.GET("/api/webhooks/{webhook_id}/deliveries", { params }));
    },
    status,
    version,
  );
  const pause = useRef(FIRST_PAUSE_MS);
  useEffect(() => void (pause.current = FIRST_PAUSE_MS), [version]);
  useEffect(() => {
    if (!page?.data.some((delivery) => delivery.status === "waiting")) return undefined;
    const timer = window.setTimeout(reload, pause.current);
    pause.current = Math.min(2 * pause.current, LONGEST_PAUSE_MS);
    return () => window.clearTimeout(timer);
  }, [page]);
  const replayed = (): void => {
    pause.current = FIRST_PAUSE_MS;
    reload();
  };
  return (
    <section class="card" aria-labelledby="log" aria-busy={!page}>
      <div class="row spread">
        <h2 id="log">{t.log}</h2>
        <Filter titles={t.status} value={status} onChange={setStatus} />
      </div>
      <Failure error={error} onRetry={reload} />
      {page?.data.length === 0 && <p class="quiet">{t.logEmpty}</p>}
      <ul class="lines">
        {page?.data.map((delivery) => (
          <Line key={delivery.id} delivery={delivery} canReplay={canReplay} onReplayed={replayed} />
        ))}
      </ul>
      <Pages page={page} onTurn={turnTo} />
    </section>
  );
}

interface LineProps {
  delivery: Schemas["Delivery"];
  canReplay: boolean;
  onReplayed: () => void;
}

const COLOURS: Record<Status, string> = { delivered: "good", failed: "bad", waiting: "quiet" };

function Line({ delivery, canReplay, onReplayed }: LineProps) {
  const t = texts().webhooks;
  const replay = useAction(async () => {
    const params = { path: { delivery_id: delivery.id } };
    await bodyOf(api.POST("/api/webhooks/deliveries/{delivery_id}/replay", { params }));
    onReplayed();
  });
  const { status_code: status, milliseconds: ms, next_attempt_at: next } = delivery;
  const facts = [
    formatDate(delivery.created_at, true),
    status !== null && fill(t.answered, { status, ms: ms ?? "?" }),
    delivery.error && outcomeText(delivery.error),
    delivery.attempts > 1 && fill(t.tries, { n: delivery.attempts }),
    delivery.attempts > 0 && next && fill(t.next, { when: formatDate(next, true) }),
  ];
  return (
    <li>
      <div>
        <p class={COLOURS[delivery.status]}>
          {t.status[delivery.status]}: {delivery.type}
        </p>
        <p class="quiet breaks">{facts.filter(Boolean).join(" · ")}</p>
        {delivery.answer && (
          <details>
            <summary>{t.answer}</summary>
            <pre>{delivery.answer}</pre>
          </details>
        )}
        <Failure error={replay.error} />
      </div>
      <button disabled={replay.isRunning || !canReplay || delivery.status === "waiting"} onClick={replay.run}>
        {t.replay}
        <span class="only-heard"> {delivery.type}</span>
      </button>
    </li>
  );
}
