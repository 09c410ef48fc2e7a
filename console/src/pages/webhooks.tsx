import { useState } from "preact/hooks";
import { api, bodyOf, type Schemas } from "../api/client";
import { onSubmit, useAction } from "../parts/action";
import { ApiTabs } from "../parts/api-tabs";
import { Failure } from "../parts/failure";
import { Field, withoutFields } from "../parts/field";
import { useRead } from "../parts/read";
import { Secret } from "../parts/secret";
import { fill, formatDate, texts } from "../texts";

type Type = Schemas["WebhookEventType"];
type Webhook = Schemas["Webhook"];
const MORE: readonly Type[] = [
  "image.accepted",
  "image.expired",
  "image.deleted",
  "batch.accepted",
  "batch.completed",
  "batch.partially_failed",
  "batch.failed",
  "batch.cancelled",
];
/** The events that most receivers want. */
const USUAL: readonly Type[] = ["image.completed", "image.failed"];

/** The addresses that get events. */
export function Webhooks() {
  const t = texts().webhooks;
  const { found, error, reload } = useRead(() => bodyOf(api.GET("/api/webhooks")));
  const webhooks = found?.data.webhooks;
  return (
    <>
      <ApiTabs />
      <h1>{t.title}</h1>
      <p>{t.explain}</p>
      <Failure error={error} onRetry={reload} />
      <div class="beside">
        <Creation onCreated={reload} />
        <section class="card" aria-busy={!found}>
          {webhooks?.length === 0 && <p class="quiet">{t.empty}</p>}
          <ul class="lines">
            {webhooks?.map((webhook) => (
              <li key={webhook.id}>
                <div>
                  <p class="name breaks">
                    <a href={`/console/webhooks/${webhook.id}`}>{webhook.url}</a>
                  </p>
                  {webhook.description && <p>{webhook.description}</p>}
                  <WebhookState webhook={webhook} />
                </div>
              </li>
            ))}
          </ul>
        </section>
      </div>
    </>
  );
}

export function WebhookState({ webhook }: { webhook: Webhook }) {
  const t = texts().webhooks;
  const types = webhook.types.map((type) => t.types[type]).join(", ") || t.everything;
  return (
    <>
      <p class={webhook.is_enabled && !webhook.failing_since ? "good" : "bad"}>
        {!webhook.is_enabled
          ? t.paused
          : webhook.failing_since
            ? fill(t.failing, { when: formatDate(webhook.failing_since, true) })
            : t.working}
        {webhook.disabled_reason && ` · ${t.reasons[webhook.disabled_reason] ?? webhook.disabled_reason}`}
      </p>
      <p class="quiet">{types}</p>
    </>
  );
}

function Creation({ onCreated }: { onCreated: () => void }) {
  const t = texts().webhooks;
  const [url, setUrl] = useState("");
  const [description, setDescription] = useState("");
  const [types, setTypes] = useState<ReadonlySet<Type>>(new Set(USUAL));
  const [secret, setSecret] = useState("");
  const action = useAction(async () => {
    const body = { url, description, types: [...types], is_enabled: true };
    const answer = await bodyOf(api.POST("/api/webhooks", { body }));
    setSecret(answer.data.secret);
    setUrl("");
    setDescription("");
    onCreated();
  });
  return (
    <form class="card form" onSubmit={onSubmit(action)}>
      <Field label={t.url} name="url" value={url} onChange={setUrl} error={action.error} note={t.urlNote} required />
      <Field
        label={t.description}
        name="description"
        value={description}
        onChange={setDescription}
        error={action.error}
      />
      <Types chosen={types} onChange={setTypes} />
      <Failure error={withoutFields(action.error, "url", "description")} />
      <button class="main-action" disabled={action.isRunning}>
        {t.create}
      </button>
      {secret && <Secret key={secret} text={secret} />}
    </form>
  );
}

function Types({ chosen, onChange }: { chosen: ReadonlySet<Type>; onChange: (types: ReadonlySet<Type>) => void }) {
  const t = texts().webhooks;
  const toggle = (type: Type): void => {
    const changed = new Set(chosen);
    if (!changed.delete(type)) changed.add(type);
    onChange(changed);
  };
  const tick = (type: Type) => (
    <label key={type} class="tick">
      <input type="checkbox" checked={chosen.has(type)} onChange={() => toggle(type)} />
      <span>{t.types[type]}</span>
    </label>
  );
  return (
    <fieldset>
      <legend>{t.when}</legend>
      {USUAL.map(tick)}
      <details>
        <summary>{t.more}</summary>
        {MORE.map(tick)}
      </details>
      <p class="quiet">{chosen.size === 0 && t.noneMeansAll}</p>
    </fieldset>
  );
}
