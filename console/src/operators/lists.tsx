import type { ComponentChildren } from "preact";
import { bodyOf, type Schemas } from "../api/client";
import { useAction } from "../parts/action";
import { Failure } from "../parts/failure";
import { Pages, usePaged } from "../parts/paged";
import { fill, formatDate, texts } from "../texts";
import { outcomeText } from "../texts/outcomes";
import { type Operators, operators } from "./client";
import { operatorTexts } from "./texts";

interface Page<Item> {
  data: readonly Item[];
  meta: Schemas["Meta"];
}

interface ListProps<Item> {
  /** Says what the list is for. */
  explain: string;
  read: (query: { page: number; per_page: number }) => Promise<Page<Item>>;
  line: (item: Item) => ComponentChildren;
}

/** A list in pages, with one line for each item. */
function List<Item>({ explain, read, line }: ListProps<Item>) {
  const { page, error, reload, turnTo } = usePaged(read);
  return (
    <>
      <p class="quiet">{explain}</p>
      <Failure error={error} onRetry={reload} />
      <section class="card" aria-busy={!page}>
        {page?.data.length === 0 && <p class="quiet">{operatorTexts().nothing}</p>}
        <ul class="lines">{page?.data.map(line)}</ul>
      </section>
      <Pages page={page} onTurn={turnTo} />
    </>
  );
}

function Redrive({ name, redrive }: { name: string; redrive: () => Promise<unknown> }) {
  const t = operatorTexts();
  const action = useAction(async () => void (await redrive()));
  return (
    <div class="row">
      <Failure error={action.error} />
      <button disabled={action.isRunning || action.isDone} onClick={action.run}>
        {action.isDone ? t.redriven : t.redrive}
        <span class="only-heard"> {name}</span>
      </button>
    </div>
  );
}

export function DeadLetters() {
  const t = operatorTexts();
  const redrive = (sequence: number) => () => {
    const params = { path: { sequence } };
    return bodyOf(operators.POST("/api/admin/dead-letters/{sequence}/redrive", { params }));
  };
  return (
    <List
      explain={t.lettersExplain}
      read={(query) => bodyOf(operators.GET("/api/admin/dead-letters", { params: { query } }))}
      line={(letter) => (
        <li key={letter.sequence}>
          <div>
            <p class="name breaks">{letter.subject || letter.consumer}</p>
            <p class="bad breaks">{letter.error}</p>
            <p class="quiet">
              {[
                letter.consumer,
                letter.image_id !== null && fill(t.image, { id: letter.image_id }),
                formatDate(letter.created_at, true),
              ]
                .filter(Boolean)
                .join(" · ")}
            </p>
          </div>
          <Redrive name={letter.subject || letter.consumer} redrive={redrive(letter.sequence)} />
        </li>
      )}
    />
  );
}

export function FailingWebhooks() {
  const t = operatorTexts();
  const redrive = (id: number) => () => {
    const params = { path: { webhook_id: id } };
    return bodyOf(operators.POST("/api/admin/webhooks/{webhook_id}/redrive", { params }));
  };
  return (
    <List
      explain={t.webhooksExplain}
      read={(query) => bodyOf(operators.GET("/api/admin/webhooks", { params: { query } }))}
      line={(webhook) => (
        <li key={webhook.id}>
          <div>
            <p class="name breaks">{webhook.url}</p>
            <p class="bad">{whyFailing(webhook)}</p>
            <p class="quiet">
              {[fill(t.failing, { n: webhook.waiting }), webhook.failing_since && formatDate(webhook.failing_since, true)]
                .filter(Boolean)
                .join(" · ")}
            </p>
          </div>
          <Redrive name={webhook.url} redrive={redrive(webhook.id)} />
        </li>
      )}
    />
  );
}

function whyFailing({ disabled_reason: reason, last_outcome: outcome }: Operators["FailingWebhook"]): string {
  if (reason) return texts().webhooks.reasons[reason] ?? reason;
  return outcome ? outcomeText(outcome) : "";
}
