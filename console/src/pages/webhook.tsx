import { useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { api, bodyOf, type Schemas } from "../api/client";
import { confirmed, useAction } from "../parts/action";
import { Deliveries } from "../parts/deliveries";
import { Failure } from "../parts/failure";
import { useRead } from "../parts/read";
import { Secret } from "../parts/secret";
import { texts } from "../texts";
import { WebhookState } from "./webhooks";

type WebhookType = Schemas["Webhook"];

const byId = (id: number) => ({ params: { path: { webhook_id: id } } });

/** One webhook: what it gets, what was sent, and how its receiver answered. */
export function Webhook({ id = "" }: { id?: string }) {
  const t = texts();
  const number = Number(id);
  const [sent, setSent] = useState(0);
  const read = async () => (await bodyOf(api.GET("/api/webhooks/{webhook_id}", byId(number)))).data;
  const { found: webhook, error, reload, setFound } = useRead(read, number);
  if (error && !webhook) return <Failure error={error} onRetry={reload} />;
  if (!webhook) return <p aria-busy="true">{t.loading}</p>;
  return (
    <>
      <a class="button plain back" href="/console/webhooks">
        ← {t.webhooks.all}
      </a>
      <h1 class="breaks">{webhook.url}</h1>
      <section class="card stack">
        {webhook.description && <p>{webhook.description}</p>}
        <WebhookState webhook={webhook} />
        <Actions webhook={webhook} onChange={setFound} onTest={() => setSent(sent + 1)} />
      </section>
      <Deliveries webhookId={number} version={sent} canReplay={webhook.is_enabled} />
    </>
  );
}

interface ActionsProps {
  webhook: WebhookType;
  onChange: (webhook: WebhookType) => void;
  onTest: () => void;
}

function Actions({ webhook, onChange, onTest }: ActionsProps) {
  const t = texts().webhooks;
  const { route } = useLocation();
  const [secret, setSecret] = useState("");
  const one = byId(webhook.id);
  const toggle = useAction(async () => {
    const body = { is_enabled: !webhook.is_enabled };
    onChange((await bodyOf(api.PATCH("/api/webhooks/{webhook_id}", { ...one, body }))).data);
  });
  const test = useAction(async () => {
    await bodyOf(api.POST("/api/webhooks/{webhook_id}/test", one));
    onTest();
  });
  const rotate = useAction(async () => {
    const answer = await bodyOf(api.POST("/api/webhooks/{webhook_id}/secret/rotate", { ...one, body: {} }));
    setSecret(answer.data.secret);
  });
  const removal = useAction(async () => {
    await bodyOf(api.DELETE("/api/webhooks/{webhook_id}", one));
    route("/console/webhooks");
  });
  const isBusy = [toggle, test, rotate, removal].some((action) => action.isRunning);
  return (
    <>
      <div class="row">
        <button class="main-action" disabled={isBusy || !webhook.is_enabled} onClick={test.run}>
          {t.test}
        </button>
        <button disabled={isBusy} onClick={toggle.run}>
          {webhook.is_enabled ? t.pause : t.resume}
        </button>
        <button disabled={isBusy} onClick={confirmed(t.confirmRotate, rotate.run)}>
          {t.rotate}
        </button>
        <button class="plain danger" disabled={isBusy} onClick={confirmed(t.confirmDelete, removal.run)}>
          {texts().upscale.delete}
        </button>
      </div>
      <Failure error={toggle.error ?? test.error ?? rotate.error ?? removal.error} />
      {secret && <Secret key={secret} text={secret} />}
    </>
  );
}
